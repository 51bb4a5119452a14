"""Galleries: which there are, new ones, what happened."""

from typing import Annotated

from fastapi import Query

from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.server.access import Role
from vultus.server.context import Operator, Reader, WholeAdmin
from vultus.server.fields import GalleryId
from vultus.server.routing import make_router
from vultus.server.schemas import (
    Events,
    EventTold,
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


@router.get("/{gallery}/events")
def read_events(
    caller: Operator,
    gallery: GalleryId,
    after: Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Events:
    """What happened, the oldest first."""
    found = EventLog(caller.gallery(gallery)).read(after=after, limit=limit)
    told = [
        EventTold(
            position=event.position,
            id=event.id,
            type=event.type,
            at=event.at,
            source=event.source,
            person=event.person,
            data=dict(event.data),
        )
        for event in found
    ]
    return Events(events=told, next=told[-1].position if told else after)


def _told(gallery_id: str, gallery: Gallery) -> GalleryTold:
    return GalleryTold(
        id=gallery_id,
        people=len(gallery),
        model=gallery.space.model,
        sealed=gallery.protected,
        groups=dict(gallery.groups()),
    )
