"""Galleries in one SQLite file: nothing acknowledged is lost, nothing erased is left."""

from collections.abc import Iterable, Mapping, Sequence

from vultus.core.errors import InputError
from vultus.gallery.stores.base import (
    GALLERY_STORES,
    PAGE,
    AuditRow,
    Change,
    FaceRow,
    ItemRow,
    KeyRow,
    PersonRow,
    TemplateRow,
)
from vultus.gallery.stores.sqlite_file import SCRUB, SqliteFile
from vultus.gallery.stores.sqlite_rows import item_row, person_row, typed, typed_rows

_PERSON = (
    "SELECT id, uid, name_tag, external_tag, n_faces, enrolled_at, expires_at, record FROM people"
)
_TEMPLATE = (
    "SELECT people.id, people.uid, wrapped, body FROM people"
    " JOIN keys ON keys.id = people.id JOIN templates ON person_id = people.id"
)
_ITEM = "SELECT id, kind, key_id, created_at, expires_at, body FROM items"
_CHANGES_FROM = "changes_from"
_AT_ONCE = 500  # values in one statement; SQLite takes 999 everywhere


@GALLERY_STORES.register("sqlite")
class SqliteStore(SqliteFile):
    """A gallery in one file, in WAL mode: beside it, while it is open, lie its -wal and -shm.

    The methods are those of `vultus.gallery.stores.base.GalleryStore`, the arguments those of
    `vultus.gallery.stores.sqlite_file.SqliteFile`.
    """

    def meta(self, key: str) -> bytes | None:
        """See `GalleryStore`."""
        row = self._row("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else typed(row, bytes)[0]

    def set_meta(self, key: str, value: bytes | None) -> None:
        """See `GalleryStore`."""
        if value is None:
            self._change("DELETE FROM meta WHERE key = ?", key)
        else:
            self._change(
                "INSERT INTO meta VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                *(key, value),
            )

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
                # Of columns beside max() SQLite gives those of the row that has the maximum.
                "SELECT max(position) AS last, person_id, erased FROM changes WHERE position > ?"
                " GROUP BY person_id ORDER BY last",
                since,
            )
        return [Change(row[0], row[1], bool(row[2])) for row in typed_rows(rows, int, int, int)]

    def prune_changes(self, before: int) -> None:
        """See `GalleryStore`."""
        if before > self._changes_from():
            self.set_meta(_CHANGES_FROM, str(min(before, self.position())).encode())
            self._change("DELETE FROM changes WHERE position <= ?", before)

    def _changes_from(self) -> int:
        return int(self.meta(_CHANGES_FROM) or 0)

    def _log(self, person_id: int, *, erased: bool = False) -> None:
        self._change("INSERT INTO changes (person_id, erased) VALUES (?, ?)", person_id, erased)

    def people_by_faces(self, groups: Sequence[str] | None = None) -> Mapping[int, int]:
        """See `GalleryStore`."""
        if groups is None:
            rows = self._rows("SELECT n_faces, n_people FROM sizes WHERE n_people <> 0 ORDER BY 1")
        else:
            marks = ", ".join("?" * len(groups))
            rows = self._rows(
                "SELECT n_faces, count(*) FROM people WHERE id IN"  # noqa: S608
                f" (SELECT person_id FROM groups WHERE name IN ({marks})) GROUP BY 1 ORDER BY 1",
                *groups,
            )
        return dict(typed(row, int, int) for row in rows)

    def person(self, person_id: int) -> PersonRow | None:
        """See `GalleryStore`."""
        return self._person("id", person_id)

    def person_by_uid(self, uid: bytes) -> PersonRow | None:
        """See `GalleryStore`."""
        return self._person("uid", uid)

    def person_by_name(self, tag: bytes) -> PersonRow | None:
        """See `GalleryStore`."""
        return self._person("name_tag", tag)

    def person_by_external(self, tag: bytes) -> PersonRow | None:
        """See `GalleryStore`."""
        return self._person("external_tag", tag)

    def _person(self, column: str, value: int | bytes) -> PersonRow | None:
        row = self._row(f"{_PERSON} WHERE {column} = ?", value)
        return None if row is None else person_row(row)

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
        self._log(row.id)

    def update_person(self, row: PersonRow) -> None:
        """See `GalleryStore`."""
        changed = self._change(
            "UPDATE people SET name_tag = ?, external_tag = ?, expires_at = ?, record = ?"
            " WHERE id = ?",
            *(row.name_tag, row.external_tag, row.expires_at, row.record, row.id),
        )
        self._check_there(changed, "person", row.id)
        self._log(row.id)

    def erase_person(self, person_id: int) -> dict[str, int]:
        """See `GalleryStore`."""
        self._check_there(self.person(person_id) is not None, "person", person_id)
        self.destroy_key(person_id)
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
        self._log(person_id, erased=True)
        return {"keys": 1, **gone}

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

    def template(self, person_id: int) -> TemplateRow | None:
        """See `GalleryStore`."""
        row = self._row(f"{_TEMPLATE} WHERE people.id = ?", person_id)
        return None if row is None else TemplateRow(*typed(row, int, bytes, bytes, bytes))

    def templates(self, *, after: int = 0, limit: int = PAGE) -> list[TemplateRow]:
        """See `GalleryStore`."""
        rows = self._rows(
            f"{_TEMPLATE} WHERE people.id > ? ORDER BY people.id LIMIT ?", after, limit
        )
        return [TemplateRow(*typed(row, int, bytes, bytes, bytes)) for row in rows]

    def set_template(self, person_id: int, body: bytes) -> None:
        """See `GalleryStore`."""
        self._change(
            "INSERT INTO templates VALUES (?, ?)"
            " ON CONFLICT (person_id) DO UPDATE SET body = excluded.body",
            *(person_id, body),
        )
        self._log(person_id)

    def faces(self, person_id: int) -> list[FaceRow]:
        """See `GalleryStore`."""
        rows = self._rows(
            "SELECT person_id, number, body FROM faces WHERE person_id = ? ORDER BY number",
            person_id,
        )
        return [FaceRow(*typed(row, int, int, bytes)) for row in rows]

    def add_faces(self, person_id: int, bodies: Mapping[int, bytes]) -> None:
        """See `GalleryStore`."""
        for number, body in bodies.items():
            self._change(
                "INSERT INTO faces (person_id, number, body) VALUES (?, ?, ?)",
                *(person_id, number, body),
            )
        self._count(person_id, len(bodies))

    def update_face(self, row: FaceRow) -> None:
        """See `GalleryStore`."""
        changed = self._change(
            "UPDATE faces SET body = ? WHERE person_id = ? AND number = ?",
            *(row.body, row.person_id, row.number),
        )
        self._check_there(changed, f"face of person {row.person_id}", row.number)

    def delete_faces(self, person_id: int, numbers: Iterable[int]) -> None:
        """See `GalleryStore`."""
        gone = 0
        for number in numbers:
            found = self._change(
                "DELETE FROM faces WHERE person_id = ? AND number = ?", person_id, number
            )
            self._check_there(found, f"face of person {person_id}", number)
            gone += 1
        self._count(person_id, -gone)

    def _count(self, person_id: int, more: int) -> None:
        if more:
            self._change("UPDATE people SET n_faces = n_faces + ? WHERE id = ?", more, person_id)

    def set_groups(self, person_id: int, names: Iterable[str]) -> None:
        """See `GalleryStore`."""
        self._change("DELETE FROM groups WHERE person_id = ?", person_id)
        for name in sorted(set(names)):
            self._change("INSERT INTO groups VALUES (?, ?)", name, person_id)
        self._log(person_id)

    def groups(self, person_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """See `GalleryStore`."""
        found: dict[int, tuple[str, ...]] = {}
        for start in range(0, len(person_ids), _AT_ONCE):
            some = person_ids[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            sql = "SELECT person_id, name FROM groups WHERE person_id IN"
            for person, name in self._rows(f"{sql} ({marks}) ORDER BY name", *some):
                found[person] = (*found.get(person, ()), str(name))
        return found

    def group_sizes(self) -> dict[str, int]:
        """See `GalleryStore`."""
        rows = self._rows("SELECT name, count(*) FROM groups GROUP BY name ORDER BY name")
        return dict(typed(row, str, int) for row in rows)

    def members(self, group: str) -> list[int]:
        """See `GalleryStore`."""
        rows = self._rows("SELECT person_id FROM groups WHERE name = ? ORDER BY person_id", group)
        return [int(row[0]) for row in rows]

    def add_item(self, row: ItemRow) -> int:
        """See `GalleryStore`."""
        self._change(
            "INSERT INTO items (kind, key_id, created_at, expires_at, body) VALUES (?, ?, ?, ?, ?)",
            *(row.kind, row.key_id, row.created_at, row.expires_at, row.body),
        )
        added = self._row("SELECT last_insert_rowid()")
        return 0 if added is None else int(added[0])

    def item(self, item_id: int) -> ItemRow | None:
        """See `GalleryStore`."""
        row = self._row(f"{_ITEM} WHERE id = ?", item_id)
        return None if row is None else item_row(row)

    def items(
        self,
        kind: str | None = None,
        *,
        key_id: int | None = None,
        after: int = 0,
        limit: int = PAGE,
    ) -> list[ItemRow]:
        """See `GalleryStore`."""
        wanted = [("kind", kind), ("key_id", key_id)]
        where = "".join(f" AND {name} = ?" for name, value in wanted if value is not None)
        values = [value for _, value in wanted if value is not None]
        sql = f"{_ITEM} WHERE id > ?{where} ORDER BY id LIMIT ?"
        return [item_row(row) for row in self._rows(sql, after, *values, limit)]

    def update_item(self, row: ItemRow) -> None:
        """See `GalleryStore`."""
        changed = self._change(
            "UPDATE items SET kind = ?, key_id = ?, expires_at = ?, body = ? WHERE id = ?",
            *(row.kind, row.key_id, row.expires_at, row.body, row.id),
        )
        self._check_there(changed, "item", row.id)

    def delete_item(self, item_id: int) -> None:
        """See `GalleryStore`."""
        row = self.item(item_id)
        self._check_there(row is not None, "item", item_id)
        self._change("DELETE FROM items WHERE id = ?", item_id)
        if row is not None and self.person(row.key_id) is None:
            self.destroy_key(row.key_id)

    def append_audit(self, row: AuditRow) -> None:
        """See `GalleryStore`."""
        last = self.last_audit()
        due = 1 if last is None else last.position + 1
        if row.position != due:
            raise InputError(f"the next audit entry must have position {due}, got {row.position}")
        self._change(
            "INSERT INTO audit VALUES (?, ?, ?, ?)", row.position, row.at, row.entry, row.digest
        )

    def audit(self, *, after: int = 0, limit: int = PAGE) -> list[AuditRow]:
        """See `GalleryStore`."""
        sql = "SELECT position, at, entry, digest FROM audit WHERE position > ? ORDER BY 1 LIMIT ?"
        rows = self._rows(sql, after, limit)
        return [AuditRow(*typed(row, int, str, bytes, bytes)) for row in rows]

    def last_audit(self) -> AuditRow | None:
        """See `GalleryStore`."""
        row = self._row("SELECT * FROM audit ORDER BY position DESC LIMIT 1")
        return None if row is None else AuditRow(*typed(row, int, str, bytes, bytes))

    def check(self) -> list[str]:
        """See `GalleryStore`."""
        problems = super().check()
        if problems:
            return problems
        with self.transaction():
            counted = self._rows("SELECT n_faces, count(*) FROM people GROUP BY 1 ORDER BY 1")
            if dict(counted) != dict(self.people_by_faces()):
                problems.append("people: not as many as were counted")
            wrong = self._rows(
                "SELECT id FROM people WHERE n_faces <>"
                " (SELECT count(*) FROM faces WHERE person_id = people.id) LIMIT 20"
            )
        return problems + [f"person {row[0]}: not as many faces as were counted" for row in wrong]

    def _check_there(self, found: int | bool, what: str, number: int) -> None:
        if not found:
            raise InputError(f"{self.path} has no {what} with number {number}")
