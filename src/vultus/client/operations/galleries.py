"""Operations of the service: galleries. Written by scripts/client_operations.py."""

from dataclasses import dataclass
from typing import Any

from vultus.client.call import UNSET, Call, Unset, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryTold:
    """A gallery.

    Attributes:
        id: Id.
        people: People.
        model: Model.
        sealed: Sealed.
        groups: Groups.
    """

    id: str
    people: int
    model: str
    sealed: bool
    groups: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryList:
    """Galleries that the key may touch.

    Attributes:
        galleries: Galleries.
    """

    galleries: tuple[GalleryTold, ...]


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


def list_galleries() -> Call[GalleryList]:
    """The galleries that the key may touch."""
    return Call("GET", "/v1/galleries", GalleryList, repeatable=True)


def make_gallery(*, id: str) -> Call[GalleryTold]:
    """Make a gallery of the service's model.

    Args:
        id: 1 to 64 letters, digits, `_`, `.` or `-`, a letter or digit first.
    """
    return Call("POST", "/v1/galleries", GalleryTold, body={"id": id})


def gallery_told(gallery: str) -> Call[GalleryTold]:
    """How many people are in a gallery, of which model, whether it is sealed.

    Args:
        gallery: The gallery's id.
    """
    return Call("GET", f"/v1/galleries/{quoted(gallery)}", GalleryTold, repeatable=True)


def read_events(
    gallery: str, *, after: int | Unset = UNSET, limit: int | Unset = UNSET
) -> Call[Events]:
    """What happened, the oldest first.

    Args:
        gallery: The gallery's id.
        after: `next` of the page before.
        limit: Limit.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/events",
        Events,
        query={"after": after, "limit": limit},
        repeatable=True,
    )
