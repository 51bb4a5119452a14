"""The log of events in a SQLite file: found by position, id, type, stream and time, few at once.

What only an index knows is counted once more (`vultus.gallery.stores.sqlite_schema`), and compared
wherever rows are read: a flipped bit that hides a row is told, not believed.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice, pairwise
from typing import NamedTuple

from vultus.core.errors import GalleryError, InputError
from vultus.gallery.stores.base import PAGE
from vultus.gallery.stores.event_rows import ANY_EVENT, EventFilter, EventRow
from vultus.gallery.stores.sqlite_file import SCRUB
from vultus.gallery.stores.sqlite_people import SqlitePeople
from vultus.gallery.stores.sqlite_rows import TAG_BYTES, check_sum, event_row, typed_rows
from vultus.gallery.stores.sqlite_schema import EVENTS_BITS, STREAM_BITS

_EVENT = "SELECT position, tag, stream, type, at, twice, body FROM events"
_OF_ALL = "FROM event_sums WHERE stream = 0 AND type = ''"
_LATEST = "~"  # comes after all times, as text
_BUCKETS = 64  # that are looked at together
POSITION = "event_position"
_POSITION_BYTES = 8
_END = 1 << 62
_PREFIX_BYTES = 2


class _Scope(NamedTuple):
    """Events that are counted together: of a stream, of a type, or (neither) all.

    Attributes:
        where: The index and the condition that choose them.
        values: Of the condition.
        key: Stream and type, as in the table of sums.
        bits: How many positions are counted together, as a power of two.
    """

    where: str
    values: tuple[object, ...]
    key: tuple[int, str]
    bits: int

    def holds(self, row: EventRow) -> bool:
        """Whether an event is in it, as the row says."""
        stream, of_type = self.key
        return (not stream or row.stream == stream) and (not of_type or row.type == of_type)


def _scopes(which: EventFilter) -> Iterator[_Scope]:
    """What to read for a filter: streams say most, then types."""
    if which.streams is not None:
        for stream in which.streams:
            where = "INDEXED BY events_by_stream WHERE stream = ? AND"
            yield _Scope(where, (stream,), (stream, ""), STREAM_BITS)
    elif which.types is not None:
        for of_type in which.types:
            where = "INDEXED BY events_by_type WHERE type = ? AND"
            yield _Scope(where, (of_type,), (0, of_type), EVENTS_BITS)
    else:
        yield _Scope("WHERE", (), (0, ""), EVENTS_BITS)


def _consecutive(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of numbers that follow on each other."""
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run[0], run[-1]
            run = []
        run = [*run[:1], number]
    if run:
        yield run[0], run[-1]


def position_bytes(position: int) -> bytes:
    """A position as the file keeps it; twice, as a flipped bit would let followers wait forever."""
    return 2 * position.to_bytes(_POSITION_BYTES, "big")


class SqliteEvents(SqlitePeople):
    """What `vultus.gallery.stores.sqlite.SqliteStore` does about events.

    Arguments and errors are those of `vultus.gallery.stores.sqlite_file.SqliteFile`.
    """

    def event_position(self) -> int:
        """See `GalleryStore`."""
        with self.transaction():
            kept = self.meta(POSITION) or b""
            row = self._row("SELECT max(position) FROM events")
        last = 0 if row is None or row[0] is None else int(row[0])
        position = int.from_bytes(kept[:_POSITION_BYTES], "big")
        if 2 * kept[:_POSITION_BYTES] != kept or position < last:
            raise GalleryError(f"{self.path} is damaged (a position of events); restore a backup")
        return position

    def add_event(self, row: EventRow) -> None:
        """See `GalleryStore`."""
        due = self.event_position() + 1
        if row.position != due:
            raise InputError(f"the next event must have position {due}, got {row.position}")
        if row.stream < 1 or not row.type or len(row.tag) != TAG_BYTES:
            raise InputError(f"an event needs a stream, a type and a tag of {TAG_BYTES} bytes")
        self._change(
            "INSERT INTO events (position, tag, stream, type, at, twice, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(row.position, row.tag, row.stream, row.type, row.at, row.type + row.at, row.body),
        )
        self._count_added("events", row.position)
        self.set_meta(POSITION, position_bytes(row.position))

    def event_by_tag(self, tag: bytes) -> EventRow | None:
        """See `GalleryStore`."""
        with self.transaction():
            row = self._row(f"{_EVENT} WHERE tag = ?", tag)
            if row is None:
                self._check_event_tags(tag)
                return None
        found = event_row(row)
        check_sum(found.tag, tag)
        return found

    def _check_event_tags(self, tag: bytes) -> None:
        """That no event has a tag is true if none is missing of those that begin as it does."""
        prefix = tag[:_PREFIX_BYTES]
        listed = self._rows(
            "SELECT position, tag FROM events WHERE tag BETWEEN ? AND ?",
            *(prefix, prefix + b"\xff" * TAG_BYTES),
        )
        positions = [position for position, _ in typed_rows(listed, int, bytes)]
        kept = self._row("SELECT n, total FROM event_tag_sums WHERE prefix = ?", prefix)
        check_sum((len(positions), sum(positions)), (0, 0) if kept is None else kept)
        for position, as_listed in listed:
            there = self._row("SELECT tag FROM events WHERE position = ?", position)
            check_sum(there, (as_listed,))

    def events(
        self, which: EventFilter = ANY_EVENT, *, after: int = 0, limit: int = PAGE
    ) -> list[EventRow]:
        """See `GalleryStore`."""
        with self.transaction():
            rows = (
                row
                for first, last in self._runs(which, after + 1)
                for row in self._run(which, first, last, limit)
                if which.takes(row)
            )
            return list(islice(rows, limit))

    def _run(self, which: EventFilter, first: int, last: int, limit: int) -> Iterator[EventRow]:
        """The events of some streams or types between two positions."""
        read = [self._scope(scope, first, last, limit) for scope in _scopes(which)]
        return heapq.merge(*read, key=lambda row: row.position)

    def _scope(self, scope: _Scope, first: int, last: int, limit: int) -> Iterator[EventRow]:
        """The events of a scope between two positions, a page at a time."""
        sql = f"{_EVENT} {scope.where} position BETWEEN ? AND ? ORDER BY position LIMIT ?"
        page = min(max(limit, 1), PAGE)
        while True:
            found = self._rows(sql, *scope.values, first, last, page)
            rows = [event_row(row) for row in found]
            check_sum([row for row in rows if not scope.holds(row)], [])  # as its index says
            end = rows[-1].position if len(rows) == page else last
            self._check_events(scope, [row.position for row in rows], first, end)
            yield from rows
            if end == last:
                return
            first = end + 1

    def _check_events(self, scope: _Scope, found: list[int], first: int, last: int) -> None:
        """That these are all of a scope between two positions: as many as were counted."""
        low, high = first >> scope.bits, last >> scope.bits
        n, total = len(found), sum(found)
        # What is counted together with them.
        edges = ((low << scope.bits, first - 1), (last + 1, ((high + 1) << scope.bits) - 1))
        for start, end in edges:
            if start <= end and start < _END:
                counted = "SELECT count(*), coalesce(sum(position), 0) FROM events"
                values = (*scope.values, start, end)
                for more, sum_more in self._rows(
                    f"{counted} {scope.where} position BETWEEN ? AND ?", *values
                ):
                    n, total = n + more, total + sum_more
        sql = (
            "SELECT coalesce(sum(n), 0), coalesce(sum(total), 0) FROM event_sums"
            " WHERE stream = ? AND type = ? AND bucket BETWEEN ? AND ?"
        )
        check_sum((n, total), self._row(sql, *scope.key, low, high))

    def _runs(self, which: EventFilter, first: int) -> Iterator[tuple[int, int]]:
        """Between which positions there may be events of the time that is asked for."""
        if which.since is None and which.until is None:
            yield first, _END
            return
        low, end = first >> EVENTS_BITS, _END >> EVENTS_BITS
        while low <= end:
            buckets = self._buckets(which, low)
            last = buckets[-1] if len(buckets) == _BUCKETS else end
            self._check_gaps(low, last)
            for start, stop in _consecutive(buckets):
                yield max(first, start << EVENTS_BITS), ((stop + 1) << EVENTS_BITS) - 1
            low = last + 1

    def _buckets(self, which: EventFilter, low: int) -> list[int]:
        """Some of the buckets, from one on, in which something happened at the time asked for."""
        rows = self._rows(
            f"SELECT bucket, first_at, last_at, span {_OF_ALL} AND bucket >= ?"
            " AND (last_at >= ? AND first_at < ? OR span <> first_at || last_at)"
            " ORDER BY bucket LIMIT ?",
            *(low, which.since or "", which.until or _LATEST, _BUCKETS),
        )
        for _, first_at, last_at, span in typed_rows(rows, int, str, str, str):
            check_sum(span, first_at + last_at)
        return [row[0] for row in rows]

    def _check_gaps(self, low: int, high: int) -> None:
        """That there are no events where no bucket is, from ``low`` to ``high``."""
        within = f"{_OF_ALL} AND bucket BETWEEN ? AND ?"
        found = self._rows(f"SELECT count(*), min(bucket), max(bucket) {within}", low, high)
        n, first, last = found[0]
        if not n:
            self._check_empty(low, high + 1)
            return
        self._check_empty(low, first)
        self._check_empty(last + 1, high + 1)
        if n <= last - first:
            buckets = [row[0] for row in self._rows(f"SELECT bucket {within}", low, high)]
            for one, other in pairwise(sorted(buckets)):
                self._check_empty(one + 1, other)

    def _check_empty(self, due: int, bucket: int) -> None:
        """That there is no event in the buckets from ``due`` to ``bucket``, without it."""
        if due < bucket:
            sql = (
                "SELECT count(*) FROM (SELECT 1 FROM events WHERE position BETWEEN ? AND ? LIMIT 1)"
            )
            span = (due << EVENTS_BITS, (bucket << EVENTS_BITS) - 1)
            check_sum(self._row(sql, *span), (0,))

    def delete_events(self, positions: Iterable[int]) -> int:
        """See `GalleryStore`."""
        gone = [
            position
            for position in positions
            if self._change("DELETE FROM events WHERE position = ?", position)
        ]
        if gone:
            self._count_gone("events", (len(gone), sum(gone)))
            self.set_meta(SCRUB, b"due")
        return len(gone)

    def event_counts(self, streams: Collection[int] | None = None) -> dict[str, int]:
        """See `GalleryStore`."""
        with self.transaction():
            if streams is not None:
                counted = Counter[str]()
                for stream in set(streams):
                    counted.update(self._counts_of_stream(stream))
                return dict(sorted(counted.items()))
            rows = self._rows(
                "SELECT type, sum(n) FROM event_sums WHERE stream = 0 GROUP BY type ORDER BY type"
            )
            counts: dict[str, int] = dict(typed_rows(rows, str, int))
            check_sum(sum(counts.values()), 2 * counts.pop("", 0))
            for name in counts:
                sql = "SELECT type FROM events INDEXED BY events_by_type WHERE type = ? LIMIT 1"
                check_sum(self._row(sql, name), (name,))
        return counts

    def _counts_of_stream(self, stream: int) -> dict[str, int]:
        rows = self._rows(
            "SELECT type, count(*) FROM events INDEXED BY events_by_stream"
            " WHERE stream = ? AND twice = type || at GROUP BY type",
            stream,
        )
        counts: dict[str, int] = dict(typed_rows(rows, str, int))
        sql = "SELECT coalesce(sum(n), 0) FROM event_sums WHERE stream = ? AND type = ''"
        check_sum(self._row(sql, stream), (sum(counts.values()),))
        return counts

    def check(self) -> list[str]:
        """See `GalleryStore`."""
        problems = super().check()
        if problems:
            return problems
        with self.transaction():
            for name, counted, kept in _SUMS:
                if self._rows(counted) != self._rows(kept):
                    problems.append(f"events: not as many {name} as were counted")
            if self._rows(_WRONG_SPANS):
                problems.append("events: times are not within those that were kept")
        return problems


def _sums(name: str, scope: str, *, bits: int, kept: str) -> tuple[str, str, str]:
    """What is counted together, how it is counted anew, and what was counted."""
    of_events = f"SELECT {scope}, position >> {bits}, count(*), sum(position) FROM events"  # noqa: S608
    of_sums = f"SELECT stream, type, bucket, n, total FROM event_sums WHERE {kept}"  # noqa: S608
    order = " ORDER BY 1, 2, 3"
    return name, f"{of_events} GROUP BY 1, 2, 3{order}", f"{of_sums}{order}"


_WRONG_SPANS = f"""
    SELECT 1 FROM event_sums WHERE span <> first_at || last_at UNION ALL
    SELECT 1 FROM events JOIN event_sums AS sums
        ON sums.stream = 0 AND sums.type = '' AND bucket = position >> {EVENTS_BITS}
        WHERE at NOT BETWEEN first_at AND last_at LIMIT 1"""  # noqa: S608

_SUMS = (
    _sums("in all", "0, ''", bits=EVENTS_BITS, kept="stream = 0 AND type = ''"),
    _sums("of a type", "0, type", bits=EVENTS_BITS, kept="stream = 0 AND type <> ''"),
    _sums("of a stream", "stream, ''", bits=STREAM_BITS, kept="stream <> 0"),
    (
        "ids",
        "SELECT substr(tag, 1, 2), count(*), sum(position) FROM events GROUP BY 1 ORDER BY 1",
        "SELECT prefix, n, total FROM event_tag_sums ORDER BY 1",
    ),
)
