"""Galleries: which there are, new ones, who is on a photo, what happened."""

from typing import Annotated

from fastapi import Query

from vultus.core.choices import DEFAULT_FPIR
from vultus.core.errors import IdentityNotFoundError
from vultus.gallery.decisions import log_decisions
from vultus.gallery.events.decisions import decision_event
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.pipeline.photos import AnalysedPhoto
from vultus.server.access import Role
from vultus.server.context import Caller, Operator, Reader, WholeAdmin
from vultus.server.photos import Photo, body_of, decoded
from vultus.server.routing import make_router
from vultus.server.schemas import (
    Events,
    EventTold,
    GalleryList,
    GalleryMade,
    GalleryTold,
    IdentifiedFaces,
    identified,
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
def gallery_told(caller: Reader, gallery: str) -> GalleryTold:
    """How many people are in a gallery, of which model, whether it is sealed."""
    return _told(gallery, caller.gallery(gallery))


@router.post("/{gallery}/identify", openapi_extra=body_of("photo"))
def identify(
    caller: Reader,
    gallery: str,
    photo: Photo,
    fpir: Annotated[
        float, Query(gt=0, lt=1, description="Chance that a stranger is given a name, at most.")
    ] = DEFAULT_FPIR,
) -> IdentifiedFaces:
    """Name every face of a photo, or call it unknown."""
    context, known = caller.context, caller.gallery(gallery)
    image = decoded(photo, what="the photo", most_pixels=context.settings.most_pixels)
    seen = next(context.recognizer.analyse([image]))
    try:
        return _named(caller, known, seen, fpir)
    except IdentityNotFoundError:  # who was named was erased meanwhile: then it is somebody else
        return _named(caller, known, seen, fpir)


@router.get("/{gallery}/events")
def read_events(
    caller: Operator,
    gallery: str,
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


def _named(caller: Caller, known: Gallery, seen: AnalysedPhoto, fpir: float) -> IdentifiedFaces:
    answers = caller.context.recognizer.identify_faces(seen, known, fpir=fpir)
    log = EventLog(known)
    with log.transaction():
        log_decisions(known, answers)
        events = [decision_event(known, answer, source="api") for answer in answers]
        if caller.context.settings.keep_events:
            log.extend(events)
    return identified(seen.faces, answers, [event.person for event in events])


def _told(gallery_id: str, gallery: Gallery) -> GalleryTold:
    return GalleryTold(
        id=gallery_id,
        people=len(gallery),
        model=gallery.space.model,
        sealed=gallery.protected,
        groups=dict(gallery.groups()),
    )
