"""Galleries: which there are, and new ones."""

from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.review.queue import ReviewQueue
from vultus.server.access import Role
from vultus.server.context import Admin, Reader, WholeAdmin
from vultus.server.fields import GalleryId
from vultus.server.routing import make_router
from vultus.server.schemas import (
    Deleted,
    GalleryList,
    GalleryMade,
    GalleryTold,
)

router = make_router("/v1/galleries", "galleries", 404, 409, 411, 413, 415)


@router.get("")
def list_galleries(caller: Reader) -> GalleryList:
    """The galleries that the key may touch."""
    ids = [name for name in caller.context.galleries.ids if caller.key.allows(Role.reader, name)]
    return GalleryList(galleries=[_told(name, caller.gallery(name)) for name in ids])


@router.post("", status_code=201)
def make_gallery(caller: WholeAdmin, wanted: GalleryMade) -> GalleryTold:
    """Make a gallery of the service's model."""
    caller.context.galleries.make(wanted.id)
    return _told(wanted.id, caller.gallery(wanted.id))


@router.get("/{gallery}")
def gallery_told(caller: Reader, gallery: GalleryId) -> GalleryTold:
    """How many people are in a gallery, of which model, whether it is sealed."""
    return _told(gallery, caller.gallery(gallery))


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
