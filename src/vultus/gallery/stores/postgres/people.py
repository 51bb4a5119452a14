"""People, their keys and groups in a PostgreSQL database, and the log of their changes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import LiteralString

from vultus.core.errors import GalleryDamagedError, InputError
from vultus.gallery.stores.base import PAGE, Change, KeyRow, PersonRow
from vultus.gallery.stores.postgres.counts import PostgresCounts
from vultus.gallery.stores.postgres.transactions import Row

_PERSON: LiteralString = (
    "SELECT id, uid, name_tag, external_tag, n_faces, enrolled_at, expires_at, record"
    " FROM vultus_db.people"
)
_KEY: LiteralString = "SELECT id, uid, wrapped FROM vultus_db.keys"
_KEPT_CHANGES = 20_000
_PRUNE_EVERY = 1000


def person_row(row: Row) -> PersonRow:
    """A person of the columns from ``id`` to ``record``."""
    number, uid, name_tag, external_tag, n_faces, enrolled_at, expires_at, record = row
    return PersonRow(
        id=number,
        uid=uid,
        name_tag=name_tag,
        external_tag=external_tag,
        n_faces=n_faces,
        enrolled_at=enrolled_at,
        expires_at=expires_at,
        record=record,
    )


class PostgresPeople(PostgresCounts):
    """What `vultus.gallery.stores.postgres.store.PostgresStore` does about people and groups.

    Arguments and errors are those of `PostgresTransactions`.
    """

    def position(self) -> int:
        """See `GalleryStore`."""
        return self._counter("SELECT last_change FROM vultus_db.counters")

    def changes(self, since: int) -> list[Change] | None:
        """See `GalleryStore`."""
        with self.transaction():
            if since < self._counter("SELECT changes_from FROM vultus_db.counters"):
                return None
            rows = self._rows(
                "SELECT position, person_id, erased, before FROM vultus_db.changes"
                " WHERE position > %s ORDER BY position",
                since,
            )
            position = self.position()
        # They are counted without gaps: one that is missing is somebody who would not be found.
        if len(rows) != max(position - since, 0) or (rows and rows[-1][0] != position):
            raise GalleryDamagedError(
                f"{self.location} is damaged: the log of changes has a gap; restore a backup"
            )
        last: dict[int, Change] = {}
        for number, person, erased, before in rows:
            earlier = last.pop(person, None)
            told = before
            if earlier is not None and earlier.before is not None:
                told = earlier.before
            last[person] = Change(number, person, erased, told)
        return list(last.values())

    def prune_changes(self, before: int) -> None:
        """See `GalleryStore`."""
        self._change(
            "UPDATE vultus_db.counters SET changes_from ="
            " greatest(changes_from, least(%s, last_change))",
            before,
        )
        self._change("DELETE FROM vultus_db.changes WHERE position <= %s", before)

    def _log(self, person_id: int, *, erased: bool = False, before: bytes | None = None) -> None:
        rows = self._changed(
            "WITH due AS (UPDATE vultus_db.counters SET last_change = last_change + 1"
            " RETURNING last_change) INSERT INTO vultus_db.changes (position, person_id, erased,"
            " before) SELECT last_change, %s, %s, %s FROM due RETURNING position",
            *(person_id, erased, before),
        )
        position = rows[0][0]
        if position % _PRUNE_EVERY == 0:
            # Who is further behind than there are people reads everybody anew as quickly.
            n_people = sum(self.people_by_faces().values())
            self.prune_changes(position - max(_KEPT_CHANGES, n_people))

    def people_by_faces(self, groups: Sequence[str] | None = None) -> Mapping[int, int]:
        """See `GalleryStore`."""
        if groups is None:
            rows = self._rows(
                "SELECT n_faces, n_people FROM vultus_db.sizes WHERE n_people <> 0 ORDER BY n_faces"
            )
        else:
            rows = self._rows(
                "SELECT n_faces, count(*) FROM vultus_db.people WHERE id IN"
                " (SELECT person_id FROM vultus_db.groups WHERE name = ANY(%s))"
                " GROUP BY n_faces ORDER BY n_faces",
                list(groups),
            )
        return dict(rows)

    def person(self, person_id: int) -> PersonRow | None:
        """See `GalleryStore`."""
        row = self._row(_PERSON + " WHERE id = %s", person_id)
        return None if row is None else person_row(row)

    def person_by_uid(self, uid: bytes) -> PersonRow | None:
        """See `GalleryStore`."""
        row = self._row(_PERSON + " WHERE uid = %s", uid)
        return None if row is None else person_row(row)

    def person_by_name(self, tag: bytes) -> PersonRow | None:
        """See `GalleryStore`."""
        row = self._row(_PERSON + " WHERE name_tag = %s", tag)
        return None if row is None else person_row(row)

    def person_by_external(self, tag: bytes) -> PersonRow | None:
        """See `GalleryStore`."""
        row = self._row(_PERSON + " WHERE external_tag = %s", tag)
        return None if row is None else person_row(row)

    def people(self, *, after: int = 0, limit: int = PAGE) -> list[PersonRow]:
        """See `GalleryStore`."""
        rows = self._rows(_PERSON + " WHERE id > %s ORDER BY id LIMIT %s", after, limit)
        return [person_row(row) for row in rows]

    def expired(self, when: str, *, limit: int = PAGE) -> list[PersonRow]:
        """See `GalleryStore`."""
        rows = self._rows(
            _PERSON + " WHERE expires_at <= %s ORDER BY expires_at LIMIT %s", when, limit
        )
        return [person_row(row) for row in rows]

    def add_person(self, row: PersonRow) -> None:
        """See `GalleryStore`."""
        self._change(
            "INSERT INTO vultus_db.people (id, uid, name_tag, external_tag,"
            " enrolled_at, expires_at,"
            " record) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            *(row.id, row.uid, row.name_tag, row.external_tag),
            *(row.enrolled_at, row.expires_at, row.record),
        )
        self._log(row.id)

    def update_person(self, row: PersonRow) -> None:
        """See `GalleryStore`."""
        changed = self._change(
            "UPDATE vultus_db.people SET name_tag = %s, external_tag = %s, expires_at = %s,"
            " record = %s WHERE id = %s",
            *(row.name_tag, row.external_tag, row.expires_at, row.record, row.id),
        )
        self._check_there(changed, "person", row.id)
        self._log(row.id)

    def erase_person(self, person_id: int, *, before: bytes) -> dict[str, int]:
        """See `GalleryStore`."""
        self._check_there(self.person(person_id) is not None, "person", person_id)
        self.destroy_key(person_id)
        events = self._changed(
            "DELETE FROM vultus_db.events WHERE stream IN"
            " (SELECT id FROM vultus_db.items WHERE key_id = %s) RETURNING position",
            person_id,
        )
        items = self._rows("SELECT id FROM vultus_db.items WHERE key_id = %s", person_id)
        ways: tuple[tuple[str, LiteralString], ...] = (
            ("templates", "DELETE FROM vultus_db.templates WHERE person_id = %s"),
            ("faces", "DELETE FROM vultus_db.faces WHERE person_id = %s"),
            ("groups", "DELETE FROM vultus_db.groups WHERE person_id = %s"),
            ("items", "DELETE FROM vultus_db.items WHERE key_id = %s"),
            ("people", "DELETE FROM vultus_db.people WHERE id = %s"),
        )
        gone = {kind: self._change(way, person_id) for kind, way in ways}
        self._count_rows("events", *(row[0] for row in events), sign=-1)
        self._count_rows("items", *(row[0] for row in items), sign=-1)
        self._log(person_id, erased=True, before=before)
        return {"keys": 1, **gone, "events": len(events)}

    def add_key(self, uid: bytes, wrapped: bytes) -> int:
        """See `GalleryStore`."""
        rows = self._changed(
            "WITH due AS (UPDATE vultus_db.counters SET last_key = last_key + 1 RETURNING last_key)"
            " INSERT INTO vultus_db.keys (id, uid, wrapped) SELECT last_key, %s, %s FROM due"
            " RETURNING id",
            *(uid, wrapped),
        )
        return int(rows[0][0])

    def key(self, key_id: int) -> KeyRow | None:
        """See `GalleryStore`."""
        row = self._row(_KEY + " WHERE id = %s", key_id)
        return KeyRow(*row) if row is not None and any(row[2]) else None

    def keys(self, *, after: int = 0, limit: int = PAGE) -> list[KeyRow]:
        """See `GalleryStore`."""
        rows = self._rows(
            _KEY + " WHERE id > %s AND trim('\\x00'::bytea FROM wrapped) <> ''"
            " ORDER BY id LIMIT %s",
            *(after, limit),
        )
        return [KeyRow(*row) for row in rows]

    def set_key(self, key_id: int, wrapped: bytes) -> None:
        """See `GalleryStore`."""
        self._overwrite_key(key_id, wrapped, f"key of {len(wrapped)} bytes")

    def destroy_key(self, key_id: int) -> None:
        """See `GalleryStore`."""
        row = self._row("SELECT length(wrapped) FROM vultus_db.keys WHERE id = %s", key_id)
        self._overwrite_key(key_id, bytes(0 if row is None else row[0]), "key")

    def _overwrite_key(self, key_id: int, wrapped: bytes, what: str) -> None:
        parts = self._changed(
            "UPDATE vultus_db.keys SET wrapped = %s WHERE id = %s AND length(wrapped) = %s"
            " RETURNING tableoid::bigint",
            *(wrapped, key_id, len(wrapped)),
        )
        self._check_there(len(parts), what, key_id)
        self._due(parts[0][0])

    def set_groups(self, person_id: int, names: Iterable[str]) -> None:
        """See `GalleryStore`."""
        self._change("DELETE FROM vultus_db.groups WHERE person_id = %s", person_id)
        rows: list[Row] = [(name, person_id) for name in sorted(set(names))]
        if rows:
            self._change_many(
                "INSERT INTO vultus_db.groups (name, person_id) VALUES (%s, %s)", rows
            )
        self._log(person_id)

    def groups(self, person_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """See `GalleryStore`."""
        rows = self._rows(
            "SELECT person_id, array_agg(name ORDER BY name) FROM vultus_db.groups"
            " WHERE person_id = ANY(%s::bigint[]) GROUP BY person_id",
            list(person_ids),
        )
        return {person: tuple(names) for person, names in rows}

    def group_sizes(self) -> dict[str, int]:
        """See `GalleryStore`."""
        return dict(
            self._rows("SELECT name, count(*) FROM vultus_db.groups GROUP BY name ORDER BY name")
        )

    def members(self, group: str) -> list[int]:
        """See `GalleryStore`."""
        rows = self._rows(
            "SELECT person_id FROM vultus_db.groups WHERE name = %s ORDER BY person_id", group
        )
        return [row[0] for row in rows]

    def _counter(self, sql: LiteralString) -> int:
        row = self._row(sql)
        if row is None:
            raise GalleryDamagedError(f"{self.location} is damaged or was removed")
        return int(row[0])

    def _check_there(self, found: int | bool, what: str, number: int) -> None:
        if not found:
            raise InputError(f"{self.location} has no {what} with number {number}")
