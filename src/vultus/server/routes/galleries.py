"""Galleries: which there are, and new ones."""

from vultus.gallery.gallery import Gallery
from vultus.server.access import Role
from vultus.server.context import Reader, WholeAdmin
from vultus.server.fields import GalleryId
from vultus.server.routing import make_router
from vultus.server.schemas import (
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


def _told(gallery_id: str, gallery: Gallery) -> GalleryTold:
    return GalleryTold(
        id=gallery_id,
        people=len(gallery),
        model=gallery.space.model,
        sealed=gallery.protected,
        groups=dict(gallery.groups()),
    )
