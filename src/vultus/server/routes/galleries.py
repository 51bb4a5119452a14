"""Galleries: which there are, and new ones."""

from typing import Annotated

from fastapi import Query, Response

from vultus.core.errors import GalleryError
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.review.queue import ReviewQueue
from vultus.server.access import Role
from vultus.server.context import Admin, Reader, WholeAdmin
from vultus.server.fields import GalleryId
from vultus.server.idempotency import attempt_now
from vultus.server.problems import ProblemError, responses
from vultus.server.routing import make_router
from vultus.server.schemas import (
    Deleted,
    GalleryDeleted,
    GalleryList,
    GalleryMade,
    GalleryTold,
)
from vultus.server.tags import UNCHANGED, IfMatch, IfNoneMatch, check_match, told_or_304

router = make_router("/v1/galleries", "galleries", 404, 409, 411, 413, 415)


@router.get("")
def list_galleries(caller: Reader) -> GalleryList:
    """The galleries that the key may touch."""
    ids = [name for name in caller.context.galleries.ids if caller.key.allows(Role.reader, name)]
    told = []
    for name in ids:
        try:
            told.append(_told(name, caller.gallery(name)))
        except (ProblemError, GalleryError):
            if caller.context.galleries.is_there(name):
                raise
            # It was deleted meanwhile, here or by another service.
    return GalleryList(galleries=told)


@router.post("", status_code=201)
def make_gallery(caller: WholeAdmin, wanted: GalleryMade) -> GalleryTold:
    """Make a gallery of the service's model."""
    attempt = attempt_now()
    caller.context.galleries.make(wanted.id, attempt=None if attempt is None else attempt.id)
    return _told(wanted.id, caller.gallery(wanted.id))


@router.get("/{gallery}", response_model=GalleryTold, responses=UNCHANGED)
def gallery_told(
    caller: Reader, gallery: GalleryId, response: Response, if_none_match: IfNoneMatch = None
) -> GalleryTold | Response:
    """How many people are in a gallery, of which model, whether it is sealed."""
    return told_or_304(_told(gallery, caller.gallery(gallery)), if_none_match, response)


@router.delete("/{gallery}", responses=responses(412, 428))
def delete_gallery(
    caller: WholeAdmin,
    gallery: GalleryId,
    confirm: Annotated[
        str | None, Query(max_length=64, description="The gallery's id once more.")
    ] = None,
    if_match: IfMatch = None,
) -> GalleryDeleted:
    """Delete a gallery with everybody in it, its jobs and webhooks; keys for it touch it no more.

    One of `confirm` and `If-Match` is needed. Its files are overwritten and removed; the audit log
    is kept as a file. Backups hold it still.
    """
    known = caller.gallery(gallery)
    if confirm is not None and confirm != gallery:
        raise ProblemError(422, "invalid-input", "confirm must be the id of the gallery")

    def check() -> None:
        check_match(if_match, _told(gallery, known), needed=confirm is None)

    actor = f"key {caller.key.id}"
    done, audit_file = caller.context.galleries.delete(gallery, actor=actor, check=check)
    return GalleryDeleted(id=gallery, deleted_by=actor, audit_file=audit_file, **done.to_dict())


@router.put("/{gallery}/crops")
def keep_crops(caller: Admin, gallery: GalleryId) -> GalleryTold:
    """Keep the aligned faces of photos that are enrolled from now on."""
    known = caller.gallery(gallery)
    KeptCrops(known).allow()
    return _told(gallery, known)


@router.delete("/{gallery}/crops")
def forget_crops(caller: Admin, gallery: GalleryId) -> Deleted:
    """Keep none any more, and erase those that are kept."""
    return Deleted(deleted=KeptCrops(caller.gallery(gallery)).forbid())


def _told(gallery_id: str, gallery: Gallery) -> GalleryTold:
    return GalleryTold(
        id=gallery_id,
        people=len(gallery),
        model=gallery.space.model,
        sealed=gallery.protected,
        groups=dict(gallery.groups()),
        keeps_crops=KeptCrops(gallery).allowed,
        keeps_unknown=ReviewQueue(gallery).rules() is not None,
    )
