"""What a store keeps of an event, how it is told which events are meant, and what it does."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

AT_ONCE = 1000
"""Rows that are read at once by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Something that happened.

    Attributes:
        position: Where in the order of writing, from 1; there may be gaps.
        tag: Keyed digest of the event's id, 32 bytes; one event per tag.
        stream: Number of the item that holds what ``body`` is sealed with, and with which the event
            goes.
        type: What kind of event, e.g. ``"recognised"``.
        at: When it happened, ISO 8601, UTC, to the millisecond.
        body: Sealed.
    """

    position: int
    tag: bytes
    stream: int
    type: str
    at: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are meant; None where all are.

    Attributes:
        types: Of one of these types.
        streams: Of one of these streams.
        since: That happened at this time or later, as in `EventRow.at`.
        until: That happened before this time.
    """

    types: frozenset[str] | None = None
    streams: frozenset[int] | None = None
    since: str | None = None
    until: str | None = None

    def takes(self, row: EventRow) -> bool:
        """Whether an event is meant."""
        return (
            (self.types is None or row.type in self.types)
            and (self.streams is None or row.stream in self.streams)
            and (self.since is None or row.at >= self.since)
            and (self.until is None or row.at < self.until)
        )


ANY_EVENT = EventFilter()


class EventStore(Protocol):
    """The events of one gallery; part of `vultus.gallery.stores.base.GalleryStore`."""

    def event_position(self) -> int:
        """Position of the last event ever added, also if it is gone; 0 before the first.

        It takes no longer with more events, so that one may look often.
        """

    def add_event(self, row: EventRow) -> None:
        """Add an event; its position must follow on `event_position`, its tag must be new.

        Whoever has read the events up to a position misses none that is added later.
        """

    def event_by_tag(self, tag: bytes) -> EventRow | None:
        """The event with a tag."""

    def events(
        self, which: EventFilter = ANY_EVENT, *, after: int = 0, limit: int = AT_ONCE
    ) -> list[EventRow]:
        """Events in the order of their positions; how many others there are costs next to nothing.

        Args:
            which: Which of them.
            after: Only positions above this.
            limit: How many at most.
        """

    def delete_events(self, positions: Iterable[int]) -> int:
        """Delete those events that are there; gives how many.

        When `scrub` says True after the transaction, no byte of them is left.
        """

    def event_counts(self, streams: Collection[int] | None = None) -> dict[str, int]:
        """Type -> how many events there are (of some streams), without zeros."""
