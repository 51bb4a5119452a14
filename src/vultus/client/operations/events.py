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
    """

    position: int
    id: str
    type: str
    at: str
    source: str | None
    person: str | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Some events, the oldest first.

    Attributes:
        events: Events.
        next: `after` of the next page.
    """

    events: tuple[EventTold, ...]
    next: int


def read_events(
    gallery: str,
    *,
    types: Sequence[str] | Unset = UNSET,
    after: int | Unset = UNSET,
    limit: int | Unset = UNSET,
    last: int | Unset = UNSET,
    person: str | Unset = UNSET,
) -> Call[Events]:
    """What happened, the oldest first.

    Args:
        gallery: The gallery's id.
        types: Only these types; once for each.
        after: `next` of the page before.
        limit: Limit.
        last: Only of the last so many of all events.
        person: Only of this person, by the id.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/events",
        Events,
        query={"types": types, "after": after, "limit": limit, "last": last, "person": person},
        repeatable=True,
    )
