"""Events: what happened in a gallery, by cursor and as it happens."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Header, Path, Query, Response

from vultus.gallery.events.event import Event, check_event_type
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.server.access import Role
from vultus.server.context import Operator
from vultus.server.fields import (
    After,
    Cursor,
    EventType,
    GalleryId,
    Limit,
    MarkedPerson,
    cursor_after,
    place_after,
)
from vultus.server.people import by_id
from vultus.server.problems import ProblemError
from vultus.server.routing import make_router
from vultus.server.schemas import Events, EventTold
from vultus.server.streams import EventStream, Message

router = make_router("/v1/galleries/{gallery}/events", "events", 404)

_AT_ONCE = 100
_LARGEST = 2**53

Types = Annotated[
    list[EventType], Query(max_length=100, description="Only these types; once for each.")
]


@router.get("")
def read_events(
    caller: Operator,
    gallery: GalleryId,
    types: Types = [],  # noqa: B006 - FastAPI copies it
    cursor: Cursor = "",
    after: After = "",
    limit: Limit = 100,
    last: Annotated[
        int | None, Query(ge=1, le=1000, description="Only of the last so many of all events.")
    ] = None,
    person: Annotated[
        MarkedPerson | None, Query(description="Only of this person, by the id.")
    ] = None,
) -> Events:
    """What happened, the oldest first, page by page; `next` is there at the end, too.

    Asked again with it later, the answer is what happened since.
    """
    known, place = caller.gallery(gallery), place_after("e", after, cursor)
    log = EventLog(known)
    if person is not None:
        by_id(known, person)  # nobody of this id is told as everywhere
    if last is not None:
        place = max(place, log.position() - last)
    found = log.read(after=place, limit=limit, types=types or None, person=person)
    told = [_told(event) for event in found]
    place = told[-1].position if told else place
    return Events(events=told, next=cursor_after("e", place) or "")


@router.get(
    "/stream",
    status_code=200,
    response_class=EventStream,
    responses={200: {"description": "Server-sent events: id, event (the type), data (JSON)."}},
)
def stream_events(
    caller: Operator,
    gallery: GalleryId,
    types: Types = [],  # noqa: B006 - FastAPI copies it
    after: After = "",
    last_event_id: Annotated[
        str | None, Header(max_length=20, description="As browsers send it.")
    ] = None,
) -> EventStream:
    """What happens, as it happens, by server-sent events; one goes on after the id of the last."""
    known = caller.gallery(gallery)
    for name in types:
        check_event_type(name, there=EventLog(known).counts)
    begin = _begin(after, last_event_id)
    source = _GalleryEvents(known, gallery, types, after=begin)
    keys, key_id = caller.context.keys, caller.key.id

    def allowed() -> bool:
        return any(k.id == key_id and k.allows(Role.operator, gallery) for k in keys.listed())

    return EventStream(caller.context.background.streams, source, allowed=allowed)


@router.get(
    "/{position}/picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "What was seen."}},
)
def event_picture(
    caller: Operator,
    gallery: GalleryId,
    position: Annotated[int, Path(ge=1, le=_LARGEST, description="The event's position.")],
) -> Response:
    """The picture that is kept with an event, for as long as the event is."""
    found = EventLog(caller.gallery(gallery)).read(after=position - 1, limit=1)
    picture = found[0].picture if found and found[0].position == position else None
    if picture is None:
        raise ProblemError(404, "picture-not-found", "no picture is kept of such an event")
    return Response(picture, media_type="image/jpeg")


class _GalleryEvents:
    """The events of a gallery for one who listens."""

    def __init__(
        self, gallery: Gallery, gallery_id: str, types: Sequence[str], *, after: int | None
    ) -> None:
        self._log, self._types = EventLog(gallery), types or None
        self._after = self._log.position() if after is None else after
        self.key = f"events {gallery_id}"

    def state(self) -> int:
        return self._log.position()

    def read(self) -> list[Message]:
        # Before reading: what is written meanwhile is not passed over.
        end = self._log.position()
        events = self._log.read(after=self._after, limit=_AT_ONCE, types=self._types)
        last = events[-1].position if events else self._after
        self._after = last if len(events) == _AT_ONCE else max(last, end)
        return [
            Message(str(event.position), event.type, _told(event).model_dump()) for event in events
        ]


def _begin(after: str, last_event_id: str | None) -> int | None:
    if not last_event_id:
        return place_after("e", after) if after else None
    if not (last_event_id.isdecimal() and int(last_event_id) <= _LARGEST):
        raise ProblemError(422, "invalid-input", "Last-Event-ID must be the id of an event")
    return int(last_event_id)


def _told(event: Event) -> EventTold:
    return EventTold(
        position=event.position,
        id=event.id,
        type=event.type,
        at=event.at,
        source=event.source,
        person=event.person,
        data=dict(event.data),
        picture=event.picture is not None,
    )
