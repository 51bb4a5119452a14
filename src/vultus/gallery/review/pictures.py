"""The crops of faces that wait for review, where the gallery keeps crops."""

from typing import TypeGuard

from vultus.core.errors import InputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import REVIEW_CROP, KeptCrop, KeptCrops
from vultus.gallery.people.roster import Member
from vultus.gallery.review.items import Items


class ReviewCrops:
    """The crops of the faces of one gallery's queue.

    Each is sealed with a key of its own, which is destroyed with it. What writes must be called
    inside a writing transaction of the store.

    Args:
        gallery: The gallery.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._store, self._kept = gallery.opened.store, KeptCrops(gallery)
        self._items = Items(gallery.opened, REVIEW_CROP)

    def add(self, crop: KeptCrop, *, expires_at: str) -> int | None:
        """Keep a crop as long as its face; gives its number, None if the gallery keeps none."""
        if not self._kept.allowed:
            return None
        return self._items.add(crop.to_dict(), owner=None, expires_at=expires_at)

    def read(self, number: int | None) -> KeptCrop | None:
        """What is kept under a number; None if that is gone, or there never was one."""
        if not self._there(number):
            return None
        return KeptCrop.from_dict(self._items.read(number))

    def give(self, number: int | None, member: Member, photo: int) -> None:
        """Let a crop be that of a person's photo, if the gallery keeps crops."""
        crop = self.read(number)
        if crop is not None and self._kept.allowed:
            self._kept.add(member, photo, crop)

    def delete(self, number: int | None) -> None:
        """Delete a crop, if it is there."""
        if self._there(number):
            self._items.delete(number)

    def _there(self, number: int | None) -> TypeGuard[int]:
        return number is not None and self._store.item(number) is not None


def no_crop(number: int) -> InputError:
    """What to say where no crop of a face that waits is kept."""
    return InputError(
        f"no crop is kept of face {number}; a gallery keeps them of faces that come after "
        "`gallery crops allow`"
    )
