"""The log of events in a PostgreSQL database."""

from collections.abc import Collection, Iterable
from typing import LiteralString

from vultus.core.errors import InputError
from vultus.gallery.stores.base import PAGE
from vultus.gallery.stores.event_rows import ANY_EVENT, EventFilter, EventRow
from vultus.gallery.stores.postgres.glances import PostgresGlances
from vultus.gallery.stores.postgres.transactions import Row

_EVENT: LiteralString = "SELECT position, tag, stream, type, at, body FROM vultus_db.events"
_TAG_BYTES = 32


def _event(row: Row) -> EventRow:
    position, tag, stream, of_type, at, body = row
    return EventRow(position=position, tag=tag, stream=stream, type=of_type, at=at, body=body)


class PostgresEvents(PostgresGlances):
    """What `vultus.gallery.stores.postgres.store.PostgresStore` does about events.

    Arguments and errors are those of `PostgresTransactions`.
    """

    def event_position(self) -> int:
        """See `GalleryStore`."""
        return self._counter("SELECT last_event FROM vultus_db.counters")

    def add_event(self, row: EventRow) -> None:
        """See `GalleryStore`."""
        if row.stream < 1 or not row.type or len(row.tag) != _TAG_BYTES:
            raise InputError(f"an event needs a stream, a type and a tag of {_TAG_BYTES} bytes")
        if not self._change(
            "UPDATE vultus_db.counters SET last_event = %s WHERE last_event = %s",
            *(row.position, row.position - 1),
        ):
            due = self.event_position() + 1
            raise InputError(f"the next event must have position {due}, got {row.position}")
        self._change(
            "INSERT INTO vultus_db.events (position, tag, stream, type, at, body)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            *(row.position, row.tag, row.stream, row.type, row.at, row.body),
        )
        self._count_rows("events", row.position)

    def event_by_tag(self, tag: bytes) -> EventRow | None:
        """See `GalleryStore`."""
        row = self._row(_EVENT + " WHERE tag = %s", tag)
        return None if row is None else _event(row)

    def events(
        self, which: EventFilter = ANY_EVENT, *, after: int = 0, limit: int = PAGE
    ) -> list[EventRow]:
        """See `GalleryStore`."""
        wanted: list[tuple[LiteralString, object]] = [(" WHERE position > %s", after)]
        if which.types is not None:
            wanted.append((" AND type = ANY(%s)", list(which.types)))
        if which.streams is not None:
            wanted.append((" AND stream = ANY(%s::bigint[])", list(which.streams)))
        if which.since is not None:
            wanted.append((" AND at >= %s", which.since))
        if which.until is not None:
            wanted.append((" AND at < %s", which.until))
        where: LiteralString = ""
        for words, _ in wanted:
            where += words
        rows = self._rows(
            _EVENT + where + " ORDER BY position LIMIT %s", *(value for _, value in wanted), limit
        )
        return [_event(row) for row in rows]

    def delete_events(self, positions: Iterable[int]) -> int:
        """See `GalleryStore`."""
        gone = self._changed(
            "DELETE FROM vultus_db.events WHERE position = ANY(%s::bigint[])"
            " RETURNING tableoid::bigint, position",
            list(positions),
        )
        if gone:
            self._due(gone[0][0])
            self._count_rows("events", *(row[1] for row in gone), sign=-1)
        return len(gone)

    def event_counts(self, streams: Collection[int] | None = None) -> dict[str, int]:
        """See `GalleryStore`."""
        if streams is None:
            rows = self._rows(
                "SELECT type, count(*) FROM vultus_db.events GROUP BY type ORDER BY type"
            )
        else:
            rows = self._rows(
                "SELECT type, count(*) FROM vultus_db.events WHERE stream = ANY(%s::bigint[])"
                " GROUP BY type ORDER BY type",
                list(streams),
            )
        return dict(rows)
