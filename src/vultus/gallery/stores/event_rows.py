"""What a store keeps of an event, and how it is told which events are meant."""

from dataclasses import dataclass


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
