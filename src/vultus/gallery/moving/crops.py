"""The aligned crops of enrolled faces, kept if the gallery allows it: another model needs them."""

import base64
import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vultus.core.crops import AlignedCrops
from vultus.core.errors import GalleryDamagedError, InputError
from vultus.core.faces import Image
from vultus.gallery.enrolment import Enrolment
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.people.roster import Member
from vultus.gallery.review.items import Items
from vultus.gallery.security.audit import AuditEntry
from vultus.gallery.stores.base import PAGE
from vultus.image.encode import encoded
from vultus.image.io import read_image

CROP = "crop"
"""Kind of the items that hold a crop."""
REVIEW_CROP = "review crop"
"""Kind of the items that hold the crop of a face that waits for review; each has its own key."""
_SETTINGS = "crops"
_TAG_BYTES = 32


@dataclass(frozen=True, slots=True, eq=False)
class KeptCrop:
    """The face of one enrolled photo.

    Attributes:
        pixels: (h, w, 3) uint8, RGB, as the embedder was given it.
        template: Of the alignment, e.g. ``"arcface-112"``; a model of another cannot embed it.
    """

    pixels: Image
    template: str

    def to_dict(self) -> dict[str, Any]:
        """As it is sealed: without loss, fit for JSON."""
        return {"template": self.template, "png": base64.b64encode(self.picture()).decode()}

    def picture(self, ending: Literal[".png", ".jpg"] = ".png") -> bytes:
        """The bytes of a picture file, e.g. for a page; JPEG is smaller and loses a little."""
        return encoded(self.pixels, ending)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "KeptCrop":
        """What `to_dict` gave."""
        return cls(read_image(base64.b64decode(value["png"])), value["template"])


class KeptCrops:
    """The crops of one gallery, which keeps none until `allow` is called.

    Each is sealed with the key of the person whom it shows, and erased, exported and merged with
    the person.

    Args:
        gallery: The gallery.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery, self._opened = gallery, gallery.opened
        self._store, self._items = gallery.opened.store, Items(gallery.opened, CROP)

    @property
    def allowed(self) -> bool:
        """Whether crops are kept of whom is enrolled from now on.

        Raises:
            GalleryDamagedError: If what the gallery says was changed.
        """
        kept = self._store.meta(_SETTINGS)
        if kept is None:
            return False
        if not hmac.compare_digest(kept, self._mark()):
            raise GalleryDamagedError(
                f"{self._store.location} is damaged: what it may keep was changed; restore a backup"
            )
        return True

    def allow(self) -> None:
        """Keep the crops of whom is enrolled from now on."""
        with self._store.transaction(write=True):
            self._store.set_meta(_SETTINGS, self._mark())
            self._log("allow crops")

    def forbid(self) -> int:
        """Keep none any more, and erase those that are kept; how many there were.

        Whoever had one gets a new key, so that nothing that was sealed with the old one can be
        opened, wherever its bytes are left.
        """
        erased = 0
        with self._store.transaction(write=True):
            owners = set()
            for kind in (CROP, REVIEW_CROP):
                while rows := self._store.items(kind, limit=PAGE):
                    for row in rows:
                        owners.add(row.key_id)
                        self._store.delete_item(row.id)  # and its key, unless that is a person's
                    erased += len(rows)
            for owner in sorted(owners):
                member = self._opened.roster.get(owner)
                if member is not None:
                    self._opened.roster.renew_key(member)
            self._store.set_meta(_SETTINGS, None)
            self._log("forbid crops", crops=erased)
        self._store.scrub()
        return erased

    def keep(self, enrolment: Enrolment, crops: AlignedCrops) -> int:
        """Keep the crops of the photos that were added just now, if the gallery allows it.

        Call it in the writing transaction of the enrolment, so that both are done or neither.

        Args:
            enrolment: What `Gallery.enroll` gave.
            crops: One per photo that was to be enrolled.

        Returns:
            How many are kept.

        Raises:
            InputError: If there is not one crop per photo.
        """
        if len(crops) != len(enrolment.reasons):
            raise InputError(
                f"crops must be one per photo, got {len(crops)} for {len(enrolment.reasons)}"
            )
        member = self._opened.roster.find(enrolment.identity)
        if member is None or not enrolment.added or not self.allowed:
            return 0
        fit = np.array([not reasons for reasons in enrolment.reasons])
        first = member.record.next_face - enrolment.added
        added = crops[fit]
        for number, pixels in enumerate(added.pixels, first):
            self.add(member, number, KeptCrop(pixels, crops.template))
        return len(added)

    def add(self, member: Member, number: int, crop: KeptCrop) -> None:
        """Keep the crop of one photo, in a writing transaction."""
        self._items.add({"face": number, **crop.to_dict()}, owner=member)

    def read(self, identity: str, number: int) -> KeptCrop:
        """The crop of one photo of somebody.

        Args:
            identity: The name.
            number: Of the photo, as `Gallery.photos` tells it.

        Raises:
            IdentityNotFoundError: If nobody of that name is enrolled.
            InputError: If no crop of that photo is kept.
        """
        with self._store.transaction():
            self._gallery.person(identity)  # says who is near, where nobody is
            member = self._opened.roster.find(normalise_identity(identity))
            kept = [] if member is None else list(self._items.all(owner=member))
        for _, value in kept:
            if value["face"] == number:
                return KeptCrop.from_dict(value)
        there = ", ".join(str(n) for n in sorted(value["face"] for _, value in kept))
        known = f"there are crops of the photos {there}" if kept else "there is none of this person"
        raise InputError(f"no crop is kept of photo {number}; {known}")

    def count(self, identity: str) -> int:
        """How many crops are kept of somebody; 0 where nobody of that name is enrolled."""
        with self._store.transaction():
            member = self._opened.roster.find(normalise_identity(identity))
            return 0 if member is None else sum(1 for _ in self._items.all(owner=member))

    def of(self, member: Member) -> dict[int, KeptCrop]:
        """Number of the photo -> crop, of one person."""
        kept = self._items.all(owner=member)
        return {value["face"]: KeptCrop.from_dict(value) for _, value in kept}

    def photos(self, member: Member) -> frozenset[int]:
        """Numbers of the photos of one person of which a crop is kept; none is decoded."""
        return frozenset(number for _, number, _ in self.places(member))

    def find(self, member: Member, number: int) -> KeptCrop | None:
        """The crop of one photo of one person; None if none is kept. No other is decoded."""
        for _, value in self._items.all(owner=member):
            if value["face"] == number:
                return KeptCrop.from_dict(value)
        return None

    def places(self, member: Member) -> list[tuple[int, int, str]]:
        """Item, number of the photo, and template of the alignment of each crop of one person."""
        kept = self._items.all(owner=member)
        return [(row.id, value["face"], value["template"]) for row, value in kept]

    def numbers(self, member: Member, template: str) -> set[int]:
        """Numbers of the photos of one person of which a crop of a template is kept."""
        return {number for _, number, of in self.places(member) if of == template}

    def forget(self, member: Member, numbers: Collection[int]) -> None:
        """Delete the crops of some photos of one person, in a writing transaction."""
        for item, number, _ in self.places(member):
            if number in numbers:
                self._items.delete(item)

    def __len__(self) -> int:
        total = after = 0
        with self._store.transaction():
            while rows := self._store.items(CROP, after=after):
                total, after = total + len(rows), rows[-1].id
        return total

    def _mark(self) -> bytes:
        return self._opened.vault.audit_digest(b"crops are kept")[:_TAG_BYTES]

    def _log(self, action: str, *, crops: int | None = None) -> None:
        counts = {} if crops is None else {"crops": crops}
        self._opened.audit.append(
            AuditEntry(actor=self._opened.actor, action=action, counts=counts)
        )


def export_crop(data: bytes) -> tuple[int, bytes]:
    """Number of the photo, and the PNG, of what is sealed in an item of kind `CROP`."""
    value = json.loads(data)
    return value["face"], base64.b64decode(value["png"])
