"""Operations of the service: events. Written by scripts/client_operations.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vultus.client.call import UNSET, Call, Unset, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTold:
    """Something that happened.

    Attributes:
        position: Position.
        id: Id.
        type: Type.
        at: At.
        source: Source.
        person: The id of who it is about, or null.
        data: Data.
        picture: Whether a picture is kept: `.../events/{position}/picture`.
    """

    position: int
    id: str
    type: str
    at: str
    source: str | None
    person: str | None
    data: dict[str, Any]
    picture: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Some events, the oldest first.

    Attributes:
        events: Events.
        next: The cursor of the next page; at the end, of what is to come.
    """

    events: tuple[EventTold, ...]
    next: str


def read_events(
    gallery: str,
    *,
    types: Sequence[str] | Unset = UNSET,
    cursor: str | Unset = UNSET,
    after: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    last: int | Unset = UNSET,
    person: str | Unset = UNSET,
) -> Call[Events]:
    """What happened, the oldest first, page by page; `next` is there at the end, too.

    Args:
        gallery: The gallery's id.
        types: Only these types; once for each.
        cursor: `next` of the page before; empty for the first.
        after: Begin after this: the position of one, or `next` of a page.
        limit: So many at most.
        last: Only of the last so many of all events.
        person: Only of this person, by the id.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/events",
        Events,
        query={
            "types": types,
            "cursor": cursor,
            "after": after,
            "limit": limit,
            "last": last,
            "person": person,
        },
        repeatable=True,
    )


def event_picture(gallery: str, position: int) -> Call[bytes]:
    """The picture that is kept with an event, for as long as the event is.

    Args:
        gallery: The gallery's id.
        position: The event's position.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/events/{quoted(position)}/picture",
        bytes,
        repeatable=True,
    )
