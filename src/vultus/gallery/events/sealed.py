"""Events as they lie in the store: sealed, and opened with whose they are now."""

import base64
import hmac
import json
from collections.abc import Iterator, Sequence

from vultus.core.errors import GalleryDamagedError, IdentityNotFoundError
from vultus.gallery.events.event import Event, NewEvent, time_now
from vultus.gallery.events.streams import Stream, Streams
from vultus.gallery.opening import OpenedGallery
from vultus.gallery.people.roster import Member
from vultus.gallery.stores.event_rows import ANY_EVENT, EventFilter, EventRow

_KIND = "event"


class SealedEvents:
    """The events of one gallery.

    Args:
        opened: The gallery's parts.

    Attributes:
        streams: What the events are sealed with.

    Raises:
        GalleryDamagedError: From every method, when a row was changed or is gone.
    """

    def __init__(self, opened: OpenedGallery) -> None:
        self._opened, self._store = opened, opened.store
        self.streams = Streams(opened)

    def write(self, event: NewEvent) -> int:
        """Write an event, inside a writing transaction; the position that it has.

        An event of that id that is there already stays as it is.

        Raises:
            IdentityNotFoundError: If its person is not enrolled (any more).
        """
        tag = self._opened.vault.event_tag(event.id)
        known = self._store.event_by_tag(tag)
        if known is not None:
            return known.position
        stream = self.streams.to_write(self._member(event.person))
        position = self._store.event_position() + 1
        told = {
            "id": event.id,
            "type": event.type,
            "at": event.at,
            "written_at": time_now(),
            "source": event.source,
            "data": event.data,
        }
        if event.picture is not None:
            told["picture"] = base64.b64encode(event.picture).decode()
        body = json.dumps(told, separators=(",", ":")).encode()
        self._store.add_event(
            EventRow(
                position=position,
                tag=tag,
                stream=stream.number,
                type=event.type,
                at=event.at,
                body=stream.key.seal(_KIND, position, body),
            )
        )
        return position

    def find(self, event_id: str) -> Event | None:
        """An event by id."""
        with self._store.transaction():
            row = self._store.event_by_tag(self._opened.vault.event_tag(event_id))
            return None if row is None else self.open([row])[0]

    def open(self, rows: Sequence[EventRow]) -> list[Event]:
        """What rows hold; call it in the transaction in which they were read."""
        streams: dict[int, Stream] = {}
        events = []
        for row in rows:
            if row.stream not in streams:
                streams[row.stream] = self.streams.open(row.stream)
            events.append(self._event(row, streams[row.stream]))
        return events

    def all(self, which: EventFilter = ANY_EVENT) -> Iterator[Event]:
        """Every event (of a kind), in order; call it in a transaction."""
        after = 0
        while rows := self._store.events(which, after=after):
            yield from self.open(rows)
            after = rows[-1].position

    def of(self, member: Member) -> EventFilter:
        """Which events are somebody's."""
        return EventFilter(streams=frozenset(self.streams.of(member)))

    def delete(self, rows: Sequence[EventRow]) -> int:
        """Delete events, inside a writing transaction, with the keys of days that are over."""
        gone = self._store.delete_events([row.position for row in rows])
        emptied = [
            number
            for number in {row.stream for row in rows}
            if not self._store.events(EventFilter(streams=frozenset([number])), limit=1)
        ]
        self.streams.delete_empty(emptied)
        return gone

    def _event(self, row: EventRow, stream: Stream) -> Event:
        with self.streams.told():
            value = json.loads(stream.key.open(_KIND, row.position, row.body))
            tag = self._opened.vault.event_tag(value["id"])
            # What stands beside the sealed body is there to be looked up, and must say the same.
            same = hmac.compare_digest(tag, row.tag)
            if not same or (value["type"], value["at"]) != (row.type, row.at):
                raise GalleryDamagedError("a row of an event does not fit what is sealed in it")
            owner, picture = stream.owner, value.pop("picture", None)
            return Event(
                picture=None if picture is None else base64.b64decode(picture),
                position=row.position,
                person=None if owner is None else owner.row.uid.hex(),
                identity=None if owner is None else owner.record.name,
                **value,
            )

    def _member(self, person: str | None) -> Member | None:
        if person is None:
            return None
        member = self._opened.roster.find_uid(bytes.fromhex(person))
        if member is None:
            raise IdentityNotFoundError(
                f"nobody with the uid {person} is enrolled in {self._store.location} (any more); "
                "an event of nobody has no person"
            )
        return member
