"""Erasing people of a gallery from what else Vultus keeps of photos, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.gallery.erasure import ErasureReceipt
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import now
from vultus.gallery.people.faces import to_embeddings
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.upkeep.retention import Expiry, expire
from vultus.pipeline.face_cache import FaceCache, ForgottenPhotos


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was erased of some people.

    Attributes:
        receipts: Of the gallery, in the order of the people.
        caches: What each cache forgot.
        similarity: From which similarity to one of the people on a cached photo was forgotten.
    """

    receipts: tuple[ErasureReceipt, ...]
    caches: tuple[ForgottenPhotos, ...]
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        caches = [
            {"folder": told.folder, "forgotten": told.forgotten, "left": told.left}
            for told in self.caches
        ]
        receipts = [receipt.to_dict() for receipt in self.receipts]
        return {"receipts": receipts, "caches": caches, "similarity": self.similarity}


def erase_people(
    gallery: Gallery, identities: Sequence[str], *, caches: Sequence[FaceCache] = ()
) -> Erasure:
    """Erase people from a gallery, and from caches the photos that may show them.

    A cache knows no names. It forgets every photo with a face that is as like one of the people, by
    template or any single photo, as two photos of one person must be in this gallery
    (`Gallery.outlier_similarity`), and what another model saw of it. A photo that shows them less
    like that stays, as the photo itself does: `FaceCache.clear` forgets all.

    Args:
        gallery: The gallery.
        identities: Names; all must be enrolled, else nothing is done.
        caches: Where photos that were searched are kept.

    Raises:
        IdentityNotFoundError: If nobody of one of the names is enrolled.
        OutputError: If a cache cannot be changed; nobody is erased then.
        GalleryError: If the gallery cannot be written.
    """
    names = list(dict.fromkeys(normalise_identity(name) for name in identities))
    if not names:
        raise InputError("identities must name somebody, got none")
    forgotten = forget_people(gallery, names, caches)
    receipts = tuple(gallery.remove(name) for name in names)
    return Erasure(receipts=receipts, caches=forgotten, similarity=gallery.outlier_similarity)


def expire_people(
    gallery: Gallery, *, caches: Sequence[FaceCache] = (), when: str | None = None
) -> tuple[Expiry, tuple[ForgottenPhotos, ...]]:
    """As `vultus.gallery.upkeep.retention.expire`, and from caches as `erase_people`."""
    coming = expire(gallery, when=when, dry_run=True)
    if coming.when > now() or not coming.people:  # the former is refused
        return expire(gallery, when=when), ()
    forgotten = forget_people(gallery, coming.people, caches)
    return expire(gallery, when=when), forgotten


def forget_people(
    gallery: Gallery, identities: Sequence[str], caches: Sequence[FaceCache]
) -> tuple[ForgottenPhotos, ...]:
    """Let caches forget the photos that may show some people, who stay enrolled.

    Args and raises: as `erase_people`.
    """
    people = Embeddings.concatenate([_faces(gallery, name) for name in identities])
    similarity = gallery.outlier_similarity
    return tuple(cache.forget_people(people, similarity=similarity) for cache in caches)


def _faces(gallery: Gallery, name: str) -> Embeddings:
    """The template and every photo of somebody."""
    roster, store = gallery.opened.roster, gallery.opened.store
    with store.transaction():
        member = roster.find(name)
        if member is None:
            gallery.person(name)  # which says who is near
            raise InputError(f"nobody named {name!r} is enrolled in {gallery.location}")
        faces = list(roster.faces(member).values())
        row = store.template(member.id)
        template = None if row is None else roster.template(row)
    found = to_embeddings(faces, gallery.space)
    if template is None:
        return found
    one = Embeddings(template[None], np.ones(1, np.float32), gallery.space)
    return Embeddings.concatenate([Embeddings(found.vectors, found.norms, gallery.space), one])
