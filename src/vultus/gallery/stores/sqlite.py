"""Galleries in one SQLite file: nothing acknowledged is lost, nothing erased is left."""

import os
from collections.abc import Iterable, Mapping, Sequence

from vultus.core.errors import InputError
from vultus.gallery.stores.base import (
    GALLERY_STORES,
    PAGE,
    AuditRow,
    FaceRow,
    ItemRow,
    NextRows,
    TemplateRow,
)
from vultus.gallery.stores.bound_counts import KEPT
from vultus.gallery.stores.copying import Numbers
from vultus.gallery.stores.sqlite_events import POSITION, SqliteEvents, position_bytes
from vultus.gallery.stores.sqlite_file import SCRUB
from vultus.gallery.stores.sqlite_people import CHANGES_FROM
from vultus.gallery.stores.sqlite_removal import SqliteRemoval
from vultus.gallery.stores.sqlite_rows import check_sum, item_row, typed

_TEMPLATE = (
    "SELECT people.id, people.uid, wrapped, body FROM people"
    " JOIN keys ON keys.id = people.id JOIN templates ON person_id = people.id"
)
_ITEM = "SELECT id, kind, key_id, created_at, expires_at, body FROM items"
_OWN = frozenset([SCRUB, CHANGES_FROM, POSITION, *KEPT.values()])


@GALLERY_STORES.register("sqlite")
class SqliteStore(SqliteEvents, SqliteRemoval):
    """A gallery in one file, in WAL mode: beside it, while it is open, lie its -wal and -shm.

    The methods are those of `vultus.gallery.stores.base.GalleryStore`, the arguments those of
    `vultus.gallery.stores.sqlite_file.SqliteFile`.
    """

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

    def set_template(self, person_id: int, body: bytes, *, before: bytes) -> None:
        """See `GalleryStore`."""
        self._change(
            "INSERT INTO templates VALUES (?, ?)"
            " ON CONFLICT (person_id) DO UPDATE SET body = excluded.body",
            *(person_id, body),
        )
        self._log(person_id, before=before)

    def delete_template(self, person_id: int, *, before: bytes) -> None:
        """See `GalleryStore`."""
        gone = self._change("DELETE FROM templates WHERE person_id = ?", person_id)
        self._check_there(gone, "template of a person", person_id)
        self._log(person_id, before=before)

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
            self._change(
                "UPDATE people SET n_faces = n_faces + ?, minus_faces = minus_faces - ?"
                " WHERE id = ?",
                *(more, more, person_id),
            )

    def take_over(self, rows: Sequence[NextRows]) -> None:
        """See `GalleryStore`."""
        found = self._change_many(
            "UPDATE people SET record = ? WHERE id = ?",
            ((row.record, row.person_id) for row in rows),
        )
        self._check_there(
            found == len(rows), "person among those", rows[0].person_id if rows else 0
        )
        self._change_many(
            "DELETE FROM faces WHERE person_id = ? AND number = ?",
            ((row.person_id, number) for row in rows for number in row.gone),
        )
        self._change_many(
            "INSERT INTO faces (person_id, number, body) VALUES (?, ?, ?)"
            " ON CONFLICT (person_id, number) DO UPDATE SET body = excluded.body",
            ((row.person_id, number, body) for row in rows for number, body in row.faces.items()),
        )
        counts = ((len(row.faces), row.person_id) for row in rows)
        self._change_many(
            "UPDATE people SET n_faces = ?, minus_faces = ? WHERE id = ? AND n_faces <> ?",
            ((count, -count, person_id, count) for count, person_id in counts),
        )
        self._take_over_templates(rows)

    def _take_over_templates(self, rows: Sequence[NextRows]) -> None:
        self._change_many(
            "INSERT INTO templates VALUES (?, ?)"
            " ON CONFLICT (person_id) DO UPDATE SET body = excluded.body",
            ((row.person_id, row.template) for row in rows if row.template is not None),
        )
        self._change_many(
            "DELETE FROM templates WHERE person_id = ?",
            ((row.person_id,) for row in rows if row.template is None),
        )
        self._log_many([(row.person_id, row.before) for row in rows])

    def add_item(self, row: ItemRow) -> int:
        """See `GalleryStore`."""
        self._change(
            "INSERT INTO items (kind, key_id, created_at, expires_at, body) VALUES (?, ?, ?, ?, ?)",
            *(row.kind, row.key_id, row.created_at, row.expires_at, row.body),
        )
        added = self._row("SELECT last_insert_rowid()")
        number = 0 if added is None else int(added[0])
        self._count_added("items", number)
        return number

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
        where, values = "WHERE", list[object]()
        with self.transaction():
            if key_id is not None:
                # By the index of kinds one would pass over those of all others.
                self._check_items("items_by_key WHERE key_id = ?", key_id, (key_id, ""))
                where, values = "INDEXED BY items_by_key WHERE key_id = ? AND", [key_id]
            elif kind is not None:
                self._check_items("items_by_kind WHERE kind = ?", kind, (0, kind))
                where, values = "INDEXED BY items_by_kind WHERE kind = ? AND", [kind]
            values.append(after)
            if key_id is not None and kind is not None:
                where, values = f"{where} kind = ? AND", [key_id, kind, after]
            sql = f"{_ITEM} {where} id > ? ORDER BY id LIMIT ?"
            return [item_row(row) for row in self._rows(sql, *values, limit)]

    def _check_items(self, where: str, value: object, key: tuple[int, str]) -> None:
        """That an index misses no item: that there are as many as were counted."""
        sql = f"SELECT count(*), coalesce(sum(id), 0) FROM items INDEXED BY {where}"  # noqa: S608
        kept = self._row("SELECT n, total FROM item_sums WHERE key_id = ? AND kind = ?", *key)
        check_sum(self._row(sql, value), (0, 0) if kept is None else kept)

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
        events = self._summed("events", "stream = ?", item_id)
        self._change("DELETE FROM items WHERE id = ?", item_id)
        self._count_gone("items", (1, item_id))
        self._count_gone("events", events)
        if row is not None and self.person(row.key_id) is None:
            self.destroy_key(row.key_id)

    def delete_items(self, kind: str) -> int:
        """See `GalleryStore`."""
        of_kind = "(SELECT id FROM items WHERE kind = ?)"
        of_items = self._summed("items", "kind = ?", kind)
        of_events = self._summed("events", f"stream IN {of_kind}", kind)
        self._change(
            "UPDATE keys SET wrapped = zeroblob(length(wrapped))"
            " WHERE id IN (SELECT key_id FROM items WHERE kind = ?)"
            " AND NOT EXISTS (SELECT 1 FROM people WHERE people.id = keys.id)",
            kind,
        )
        self._change("DELETE FROM items WHERE kind = ?", kind)
        if of_items[0]:
            self.set_meta(SCRUB, b"due")
        self._count_gone("items", of_items)
        self._count_gone("events", of_events)
        return of_items[0]

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

    def facts(self) -> dict[str, bytes]:
        """See `vultus.gallery.stores.copying.CopiedStore`."""
        rows = (typed(row, str, bytes) for row in self._rows("SELECT key, value FROM meta"))
        return {key: value for key, value in rows if key not in _OWN}

    def numbers(self) -> Numbers:
        """See `vultus.gallery.stores.copying.CopiedStore`."""
        with self.transaction():
            key, item = self._sequence("keys"), self._sequence("items")
            return Numbers(key=key, item=item, event=self.event_position())

    def pass_numbers(self, upto: Numbers) -> None:
        """See `vultus.gallery.stores.copying.CopiedStore`."""
        for _ in range(self._sequence("keys"), upto.key):
            self.destroy_key(self.add_key(os.urandom(16), b"\xff"))
        if self._sequence("items") < upto.item and not self._change(
            "UPDATE sqlite_sequence SET seq = ? WHERE name = 'items'", upto.item
        ):
            self._change("INSERT INTO sqlite_sequence VALUES ('items', ?)", upto.item)
        if self.event_position() < upto.event:
            self.set_meta(POSITION, position_bytes(upto.event))

    def check(self) -> list[str]:
        """See `GalleryStore`."""
        problems = super().check()
        if problems:
            return problems
        with self.transaction():
            counted = self._rows("SELECT n_faces, count(*) FROM people GROUP BY 1 ORDER BY 1")
            if dict(counted) != dict(self.people_by_faces()):
                problems.append("people: not as many as were counted")
            counted = self._rows(
                "SELECT key_id, '', count(*), sum(id) FROM items GROUP BY key_id UNION ALL"
                " SELECT 0, kind, count(*), sum(id) FROM items GROUP BY kind ORDER BY 1, 2"
            )
            if counted != self._rows("SELECT * FROM item_sums ORDER BY 1, 2"):
                problems.append("items: not as many as were counted")
            wrong = self._rows(
                "SELECT id FROM people WHERE n_faces <>"
                " (SELECT count(*) FROM faces WHERE person_id = people.id) LIMIT 20"
            )
        return problems + [f"person {row[0]}: not as many faces as were counted" for row in wrong]
