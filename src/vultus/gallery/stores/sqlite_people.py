"""People, their keys, tags and groups in a SQLite file, and the log of their changes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from vultus.core.errors import GalleryError, InputError
from vultus.gallery.stores.base import PAGE, Change, KeyRow, PersonRow
from vultus.gallery.stores.sqlite_counts import SqliteCounts
from vultus.gallery.stores.sqlite_file import SCRUB
from vultus.gallery.stores.sqlite_rows import (
    BYTES_OR_NONE,
    TAG_BYTES,
    TAG_COLUMNS,
    TagColumn,
    batched,
    check_sum,
    person_row,
    tag_bucket,
    tag_range,
    tags_of,
    typed,
    typed_rows,
)

_PERSON = (
    "SELECT id, uid, name_tag, external_tag, n_faces, enrolled_at, expires_at, record FROM people"
)
_CHANGED = "INSERT INTO changes (person_id, erased, before) VALUES (?, ?, ?)"
CHANGES_FROM = "changes_from"
_KEPT_CHANGES = 20_000
_PRUNE_EVERY = 1000


class SqlitePeople(SqliteCounts):
    """What `vultus.gallery.stores.sqlite.SqliteStore` does about people and groups.

    Arguments and errors are those of `vultus.gallery.stores.sqlite_file.SqliteFile`.
    """

    def position(self) -> int:
        """See `GalleryStore`."""
        row = self._row("SELECT max(position) FROM changes")
        return self._changes_from() if row is None or row[0] is None else int(row[0])

    def changes(self, since: int) -> list[Change] | None:
        """See `GalleryStore`."""
        with self.transaction():
            if since < self._changes_from():
                return None
            rows = self._rows(
                "SELECT position, person_id, erased, before FROM changes WHERE position > ?"
                " ORDER BY position",
                since,
            )
        last: dict[int, Change] = {}
        for position, person, erased, before in typed_rows(rows, int, int, int, BYTES_OR_NONE):
            earlier = last.pop(person, None)
            if earlier is not None and earlier.before is not None:
                before = earlier.before
            last[person] = Change(position, person, bool(erased), before)
        return list(last.values())

    def prune_changes(self, before: int) -> None:
        """See `GalleryStore`."""
        if before > self._changes_from():
            self.set_meta(CHANGES_FROM, str(min(before, self.position())).encode())
            self._change("DELETE FROM changes WHERE position <= ?", before)

    def _changes_from(self) -> int:
        kept = self.meta(CHANGES_FROM) or b"0"
        if not kept.isdigit():
            raise GalleryError(f"{self.path} is damaged (a position of changes); restore a backup")
        return int(kept)

    def _log(self, person_id: int, *, erased: bool = False, before: bytes | None = None) -> None:
        self._change(_CHANGED, person_id, erased, before)
        position = self.position()
        if position % _PRUNE_EVERY == 0:
            self._prune(position)

    def _log_many(self, changed: Sequence[tuple[int, bytes]]) -> None:
        """Of people who are there: what is told of the templates that they had."""
        start = self.position() // _PRUNE_EVERY
        self._change_many(_CHANGED, ((person, False, before) for person, before in changed))
        position = self.position()
        if position // _PRUNE_EVERY > start:
            self._prune(position)

    def _prune(self, position: int) -> None:
        # Who is further behind than there are people reads everybody anew as quickly.
        n_people = sum(self.people_by_faces().values())
        self.prune_changes(position - max(_KEPT_CHANGES, n_people))

    def people_by_faces(self, groups: Sequence[str] | None = None) -> Mapping[int, int]:
        """See `GalleryStore`."""
        if groups is None:
            rows = self._rows("SELECT n_faces, n_people FROM sizes WHERE n_people <> 0 ORDER BY 1")
            return dict(typed(row, int, int) for row in rows)
        with self.transaction():
            people = {person for group in set(groups) for person in self.members(group)}
            counts: Counter[int] = Counter()
            for some in batched(people):
                marks = ", ".join("?" * len(some))
                sql = "SELECT n_faces, minus_faces FROM people WHERE id IN"
                for n_faces, minus in self._rows(f"{sql} ({marks})", *some):
                    check_sum(n_faces, -minus)
                    counts[n_faces] += 1
            check_sum(counts.total(), len(people))
        return counts

    def person(self, person_id: int) -> PersonRow | None:
        """See `GalleryStore`."""
        return self._person("id", person_id)

    def person_by_uid(self, uid: bytes) -> PersonRow | None:
        """See `GalleryStore`."""
        return self._person("uid", uid)

    def person_by_name(self, tag: bytes) -> PersonRow | None:
        """See `GalleryStore`."""
        return self._tagged("name_tag", tag)

    def person_by_external(self, tag: bytes) -> PersonRow | None:
        """See `GalleryStore`."""
        return self._tagged("external_tag", tag)

    def _person_there(self, person_id: int) -> PersonRow:
        row = self.person(person_id)
        if row is None:
            raise InputError(f"{self.path} has no person with number {person_id}")
        return row

    def _person(self, column: Literal["id", "uid"], value: int | bytes) -> PersonRow | None:
        row = self._row(f"{_PERSON} WHERE {column} = ?", value)
        return None if row is None else person_row(row)

    def _tagged(self, column: TagColumn, tag: bytes) -> PersonRow | None:
        with self.transaction():
            row = self._row(f"{_PERSON} WHERE {column} = ?", tag)
            if row is None:
                self._check_tags(column, tag)
                return None
            found = person_row(row)
            check_sum(getattr(found, column), tag)
            return found

    def _check_tags(self, column: TagColumn, tag: bytes) -> None:
        """That nobody has a tag is true if no tag is missing of those that begin as it does."""
        bucket = tag_bucket(column, tag)
        sql = f"SELECT {column} FROM people WHERE {column} BETWEEN ? AND ?"  # noqa: S608
        rows = self._rows(sql, *tag_range(tag))
        kept = self._row("SELECT tags FROM tag_sums WHERE bucket = ?", bucket)
        check_sum(tags_of(typed_rows(rows, bytes)), bytes(TAG_BYTES) if kept is None else kept[0])

    def _count_tags(self, row: PersonRow) -> None:
        """Tags that come or go: they are their own opposite."""
        for column in TAG_COLUMNS:
            tag: bytes | None = getattr(row, column)
            if tag is not None:
                bucket = tag_bucket(column, tag)
                kept = self._row("SELECT tags FROM tag_sums WHERE bucket = ?", bucket)
                tags = tags_of([(tag,), (bytes(TAG_BYTES),) if kept is None else kept])
                self._change("INSERT OR REPLACE INTO tag_sums VALUES (?, ?)", bucket, tags)

    def people(self, *, after: int = 0, limit: int = PAGE) -> list[PersonRow]:
        """See `GalleryStore`."""
        rows = self._rows(f"{_PERSON} WHERE id > ? ORDER BY id LIMIT ?", after, limit)
        return [person_row(row) for row in rows]

    def expired(self, when: str, *, limit: int = PAGE) -> list[PersonRow]:
        """See `GalleryStore`."""
        rows = self._rows(
            f"{_PERSON} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?", when, limit
        )
        return [person_row(row) for row in rows]

    def add_person(self, row: PersonRow) -> None:
        """See `GalleryStore`."""
        self._change(
            "INSERT INTO people (id, uid, name_tag, external_tag, enrolled_at, expires_at, record)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(row.id, row.uid, row.name_tag, row.external_tag),
            *(row.enrolled_at, row.expires_at, row.record),
        )
        self._count_tags(row)
        self._log(row.id)

    def update_person(self, row: PersonRow) -> None:
        """See `GalleryStore`."""
        before = self._person_there(row.id)
        self._change(
            "UPDATE people SET name_tag = ?, external_tag = ?, expires_at = ?, record = ?"
            " WHERE id = ?",
            *(row.name_tag, row.external_tag, row.expires_at, row.record, row.id),
        )
        self._count_tags(before)
        self._count_tags(row)
        self._log(row.id)

    def erase_person(self, person_id: int, *, before: bytes) -> dict[str, int]:
        """See `GalleryStore`."""
        self._count_tags(self._person_there(person_id))
        self.destroy_key(person_id)
        of_person = "stream IN (SELECT id FROM items WHERE key_id = ?)"
        of_items = self._summed("items", "key_id = ?", person_id)
        of_events = self._summed("events", of_person, person_id)
        events = self._change(f"DELETE FROM events WHERE {of_person}", person_id)  # noqa: S608
        gone = {
            table: self._change(f"DELETE FROM {table} WHERE {column} = ?", person_id)  # noqa: S608
            for table, column in (
                ("templates", "person_id"),
                ("faces", "person_id"),
                ("groups", "person_id"),
                ("items", "key_id"),
                ("people", "id"),
            )
        }
        self._count_gone("items", of_items)
        self._count_gone("events", of_events)
        self._log(person_id, erased=True, before=before)
        return {"keys": 1, **gone, "events": events}

    def add_key(self, uid: bytes, wrapped: bytes) -> int:
        """See `GalleryStore`."""
        self._change("INSERT INTO keys (uid, wrapped) VALUES (?, ?)", uid, wrapped)
        row = self._row("SELECT last_insert_rowid()")
        return 0 if row is None else int(row[0])

    def key(self, key_id: int) -> KeyRow | None:
        """See `GalleryStore`."""
        row = self._row("SELECT id, uid, wrapped FROM keys WHERE id = ?", key_id)
        key = None if row is None else KeyRow(*typed(row, int, bytes, bytes))
        return key if key is not None and any(key.wrapped) else None

    def keys(self, *, after: int = 0, limit: int = PAGE) -> list[KeyRow]:
        """See `GalleryStore`."""
        rows = self._rows(
            "SELECT id, uid, wrapped FROM keys"
            " WHERE id > ? AND wrapped <> zeroblob(length(wrapped)) ORDER BY id LIMIT ?",
            *(after, limit),
        )
        return [KeyRow(*row) for row in typed_rows(rows, int, bytes, bytes)]

    def set_key(self, key_id: int, wrapped: bytes) -> None:
        """See `GalleryStore`."""
        changed = self._change(
            "UPDATE keys SET wrapped = ? WHERE id = ? AND length(wrapped) = ?",
            *(wrapped, key_id, len(wrapped)),
        )
        self._check_there(changed, f"key of {len(wrapped)} bytes", key_id)
        self.set_meta(SCRUB, b"due")

    def destroy_key(self, key_id: int) -> None:
        """See `GalleryStore`."""
        # The same size: SQLite then writes over the bytes, and moves nothing.
        changed = self._change(
            "UPDATE keys SET wrapped = zeroblob(length(wrapped)) WHERE id = ?", key_id
        )
        self._check_there(changed, "key", key_id)
        self.set_meta(SCRUB, b"due")

    def set_groups(self, person_id: int, names: Iterable[str]) -> None:
        """See `GalleryStore`."""
        self._change("DELETE FROM groups WHERE person_id = ?", person_id)
        for name in sorted(set(names)):
            self._change("INSERT INTO groups VALUES (?, ?)", name, person_id)
        self._log(person_id)

    def groups(self, person_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """See `GalleryStore`."""
        found: dict[int, tuple[str, ...]] = {}
        for some in batched(person_ids):
            marks = ", ".join("?" * len(some))
            sql = "SELECT person_id, name FROM groups WHERE person_id IN"
            for person, name in self._rows(f"{sql} ({marks}) ORDER BY name", *some):
                found[person] = (*found.get(person, ()), str(name))
        return found

    def group_sizes(self) -> dict[str, int]:
        """See `GalleryStore`."""
        with self.transaction():
            counted = self._rows(
                "SELECT name, count(*), sum(person_id) FROM groups GROUP BY 1 ORDER BY 1"
            )
            check_sum(counted, self._rows("SELECT name, n, total FROM group_sums ORDER BY 1"))
        return {str(name): int(n) for name, n, _ in counted}

    def members(self, group: str) -> list[int]:
        """See `GalleryStore`."""
        with self.transaction():
            sql = "SELECT person_id FROM groups WHERE name = ? ORDER BY person_id"
            people = [row[0] for row in typed_rows(self._rows(sql, group), int)]
            kept = self._row("SELECT n, total FROM group_sums WHERE name = ?", group)
            check_sum((len(people), sum(people)), (0, 0) if kept is None else kept)
        return people

    def check(self) -> list[str]:
        """See `GalleryStore`."""
        problems = super().check()
        if problems:
            return problems
        with self.transaction():
            looks = (
                self._wrong_people(),
                self._wrong_keys(),
                self._wrong_changes(),
                self._wrong_counts(),
            )
            return [problem for look in looks for problem in look]

    def _wrong_people(self) -> Iterator[str]:
        if self._rows("SELECT 1 FROM people WHERE n_faces <> -minus_faces LIMIT 1"):
            yield "people: a number of faces is not as it was counted"
        sums: dict[int, int] = {}
        for column in TAG_COLUMNS:
            sql = f"SELECT {column} FROM people WHERE {column} IS NOT NULL"  # noqa: S608
            for (tag,) in typed_rows(self._rows(sql), bytes):
                bucket = tag_bucket(column, tag)
                sums[bucket] = sums.get(bucket, 0) ^ int.from_bytes(tag, "big")
        kept = typed_rows(self._rows("SELECT bucket, tags FROM tag_sums"), int, bytes)
        told = {bucket: int.from_bytes(tags, "big") for bucket, tags in kept}
        if any(sums.get(bucket, 0) != told.get(bucket, 0) for bucket in {*sums, *told}):
            yield "people: tags are not those that were counted"
        groups = "SELECT name, count(*), sum(person_id) FROM groups GROUP BY 1 ORDER BY 1"
        if self._rows(groups) != self._rows("SELECT name, n, total FROM group_sums ORDER BY 1"):
            yield "groups: not as many people as were counted"

    def _wrong_keys(self) -> Iterator[str]:
        n, last = self._rows("SELECT count(*), max(id) FROM keys")[0]
        if n != (last or 0) or n != self._sequence("keys"):
            yield "keys: rows are missing"
        orphans = self._rows(
            "SELECT id FROM keys WHERE wrapped <> zeroblob(length(wrapped))"
            " AND NOT EXISTS (SELECT 1 FROM people WHERE people.id = keys.id)"
            " AND NOT EXISTS (SELECT 1 FROM items WHERE key_id = keys.id) LIMIT 20"
        )
        yield from (f"key {row[0]}: of nobody, and not destroyed" for row in orphans)

    def _wrong_changes(self) -> Iterator[str]:
        n, first, last = self._rows("SELECT count(*), min(position), max(position) FROM changes")[0]
        before = self._changes_from()
        end = before if last is None else last
        if n != end - before or first not in (None, before + 1) or end != self._sequence("changes"):
            yield "the log of changes has gaps"
        # Of the last change of each: SQLite gives the other columns of the row with the maximum.
        wrong = self._rows(
            "SELECT 1 FROM (SELECT person_id, max(position), erased, total(erased) AS times"
            " FROM changes GROUP BY person_id) LEFT JOIN people ON people.id = person_id"
            " WHERE erased <> (people.id IS NULL) OR times <> erased"
            " OR NOT EXISTS (SELECT 1 FROM keys WHERE keys.id = person_id) LIMIT 1"
        )
        if wrong:
            yield "the log of changes does not fit the people"

    def _check_there(self, found: int | bool, what: str, number: int) -> None:
        if not found:
            raise InputError(f"{self.path} has no {what} with number {number}")
