"""Galleries in a PostgreSQL database: the same rows as in a file, for many machines at once."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import LiteralString

from vultus.core.errors import GalleryError, InputError
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
from vultus.gallery.stores.copying import Numbers, write_file
from vultus.gallery.stores.postgres.checks import LOOKS
from vultus.gallery.stores.postgres.copies import PostgresCopies
from vultus.gallery.stores.postgres.transactions import Row

WIPE_PATIENCE_S = 10.0
"""How long who reads is waited for where a gallery is removed."""
_WIPE_AGAIN_S = 0.2
_TEMPLATE: LiteralString = (
    "SELECT p.id, p.uid, k.wrapped, t.body FROM vultus_db.templates AS t"
    " JOIN vultus_db.people AS p ON p.id = t.person_id JOIN vultus_db.keys AS k ON k.id = p.id"
)
_ITEM: LiteralString = "SELECT id, kind, key_id, created_at, expires_at, body FROM vultus_db.items"
_AUDIT: LiteralString = "SELECT position, at, entry, digest FROM vultus_db.audit"


def _item(row: Row) -> ItemRow:
    number, kind, key_id, created_at, expires_at, body = row
    return ItemRow(
        id=number,
        kind=kind,
        key_id=key_id,
        created_at=created_at,
        expires_at=expires_at,
        body=body,
    )


@GALLERY_STORES.register("postgres")
class PostgresStore(PostgresCopies):
    """A gallery of a PostgreSQL database.

    The methods are those of `vultus.gallery.stores.base.GalleryStore`, the arguments those of
    `vultus.gallery.stores.postgres.transactions.PostgresTransactions`.
    """

    def template(self, person_id: int) -> TemplateRow | None:
        """See `GalleryStore`."""
        row = self._row(_TEMPLATE + " WHERE t.person_id = %s", person_id)
        return None if row is None else TemplateRow(*row)

    def templates(self, *, after: int = 0, limit: int = PAGE) -> list[TemplateRow]:
        """See `GalleryStore`."""
        with self.transaction():
            rows = self._rows(
                "SELECT p.id, p.uid, t.body FROM vultus_db.templates AS t"
                " JOIN vultus_db.people AS p ON p.id = t.person_id"
                " WHERE t.person_id > %s ORDER BY t.person_id LIMIT %s",
                *(after, limit),
            )
            if not rows:
                return []
            # Apart: a join would look into each of the many parts of the keys for each person.
            keys: dict[int, bytes] = dict(
                self._rows(
                    "SELECT id, wrapped FROM vultus_db.keys WHERE id BETWEEN %s AND %s",
                    *(rows[0][0], rows[-1][0]),
                )
            )
        return [TemplateRow(number, uid, keys[number], body) for number, uid, body in rows]

    def set_template(self, person_id: int, body: bytes, *, before: bytes) -> None:
        """See `GalleryStore`."""
        self._change(
            "INSERT INTO vultus_db.templates (person_id, body) VALUES (%s, %s)"
            " ON CONFLICT (gallery, person_id) DO UPDATE SET body = excluded.body",
            *(person_id, body),
        )
        self._log(person_id, before=before)

    def delete_template(self, person_id: int, *, before: bytes) -> None:
        """See `GalleryStore`."""
        gone = self._change("DELETE FROM vultus_db.templates WHERE person_id = %s", person_id)
        self._check_there(gone, "template of a person", person_id)
        self._log(person_id, before=before)

    def faces(self, person_id: int) -> list[FaceRow]:
        """See `GalleryStore`."""
        rows = self._rows(
            "SELECT person_id, number, body FROM vultus_db.faces WHERE person_id"
            " = %s ORDER BY number",
            person_id,
        )
        return [FaceRow(*row) for row in rows]

    def add_faces(self, person_id: int, bodies: Mapping[int, bytes]) -> None:
        """See `GalleryStore`."""
        rows: list[Row] = [(person_id, number, body) for number, body in bodies.items()]
        if rows:
            self._change_many(
                "INSERT INTO vultus_db.faces (person_id, number, body) VALUES (%s, %s, %s)", rows
            )
        self._count(person_id, len(rows))

    def update_face(self, row: FaceRow) -> None:
        """See `GalleryStore`."""
        changed = self._change(
            "UPDATE vultus_db.faces SET body = %s WHERE person_id = %s AND number = %s",
            *(row.body, row.person_id, row.number),
        )
        self._check_there(changed, f"face of person {row.person_id}", row.number)

    def delete_faces(self, person_id: int, numbers: Iterable[int]) -> None:
        """See `GalleryStore`."""
        gone = 0
        for number in numbers:
            found = self._change(
                "DELETE FROM vultus_db.faces WHERE person_id = %s AND number = %s",
                *(person_id, number),
            )
            self._check_there(found, f"face of person {person_id}", number)
            gone += 1
        self._count(person_id, -gone)

    def _count(self, person_id: int, more: int) -> None:
        if more:
            self._change(
                "UPDATE vultus_db.people SET n_faces = n_faces + %s WHERE id = %s",
                more,
                person_id,
            )

    def take_over(self, rows: Sequence[NextRows]) -> None:
        """See `GalleryStore`."""
        people = [row.person_id for row in rows]
        found = self._change(
            "UPDATE vultus_db.people AS p SET record = new.record FROM"
            " unnest(%s::bigint[], %s::bytea[]) AS new (id, record) WHERE p.id = new.id",
            *(people, [row.record for row in rows]),
        )
        self._check_there(found == len(rows), "person among those", people[0] if rows else 0)
        gone = [(row.person_id, number) for row in rows for number in row.gone]
        self._change(
            "DELETE FROM vultus_db.faces WHERE (person_id, number) IN"
            " (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))",
            *([person for person, _ in gone], [number for _, number in gone]),
        )
        faces: list[Row] = [(row.person_id, *face) for row in rows for face in row.faces.items()]
        if faces:
            self._change_many(
                "INSERT INTO vultus_db.faces (person_id, number, body) VALUES (%s, %s, %s)"
                " ON CONFLICT (gallery, person_id, number) DO UPDATE SET body = excluded.body",
                faces,
            )
        self._change(
            "UPDATE vultus_db.people AS p SET n_faces = new.n FROM"
            " unnest(%s::bigint[], %s::integer[]) AS new (id, n)"
            " WHERE p.id = new.id AND n_faces <> new.n",
            *(people, [len(row.faces) for row in rows]),
        )
        for row in rows:
            if row.template is not None:
                self.set_template(row.person_id, row.template, before=row.before)
                continue
            self._change("DELETE FROM vultus_db.templates WHERE person_id = %s", row.person_id)
            self._log(row.person_id, before=row.before)

    def add_item(self, row: ItemRow) -> int:
        """See `GalleryStore`."""
        rows = self._changed(
            "WITH due AS (UPDATE vultus_db.counters SET last_item = last_item + 1"
            " RETURNING last_item) INSERT INTO vultus_db.items (id, kind, key_id, created_at,"
            " expires_at, body) SELECT last_item, %s, %s, %s, %s, %s FROM due RETURNING id",
            *(row.kind, row.key_id, row.created_at, row.expires_at, row.body),
        )
        self._count_rows("items", int(rows[0][0]))
        return int(rows[0][0])

    def item(self, item_id: int) -> ItemRow | None:
        """See `GalleryStore`."""
        row = self._row(_ITEM + " WHERE id = %s", item_id)
        return None if row is None else _item(row)

    def items(
        self,
        kind: str | None = None,
        *,
        key_id: int | None = None,
        after: int = 0,
        limit: int = PAGE,
    ) -> list[ItemRow]:
        """See `GalleryStore`."""
        where: LiteralString = " WHERE id > %s"
        values: list[object] = [after]
        if kind is not None:
            where, values = where + " AND kind = %s", [*values, kind]
        if key_id is not None:
            where, values = where + " AND key_id = %s", [*values, key_id]
        rows = self._rows(_ITEM + where + " ORDER BY id LIMIT %s", *values, limit)
        return [_item(row) for row in rows]

    def update_item(self, row: ItemRow) -> None:
        """See `GalleryStore`."""
        changed = self._change(
            "UPDATE vultus_db.items SET kind = %s, key_id = %s, expires_at = %s, body = %s"
            " WHERE id = %s",
            *(row.kind, row.key_id, row.expires_at, row.body, row.id),
        )
        self._check_there(changed, "item", row.id)

    def delete_item(self, item_id: int) -> None:
        """See `GalleryStore`."""
        row = self.item(item_id)
        self._check_there(row is not None, "item", item_id)
        events = self._changed(
            "DELETE FROM vultus_db.events WHERE stream = %s RETURNING position", item_id
        )
        self._change("DELETE FROM vultus_db.items WHERE id = %s", item_id)
        self._count_rows("events", *(one[0] for one in events), sign=-1)
        self._count_rows("items", item_id, sign=-1)
        if row is not None and self.person(row.key_id) is None:
            self.destroy_key(row.key_id)

    def delete_items(self, kind: str) -> int:
        """See `GalleryStore`."""
        parts = self._changed(
            "UPDATE vultus_db.keys AS k SET wrapped = decode(repeat('00', length(wrapped)), 'hex')"
            " WHERE id IN (SELECT key_id FROM vultus_db.items WHERE kind = %s)"
            " AND NOT EXISTS (SELECT FROM vultus_db.people AS p WHERE p.id = k.id)"
            " RETURNING tableoid::bigint",
            kind,
        )
        for part in {row[0] for row in parts}:
            self._due(part)
        events = self._changed(
            "DELETE FROM vultus_db.events WHERE stream IN"
            " (SELECT id FROM vultus_db.items WHERE kind = %s) RETURNING position",
            kind,
        )
        items = self._changed("DELETE FROM vultus_db.items WHERE kind = %s RETURNING id", kind)
        self._count_rows("events", *(row[0] for row in events), sign=-1)
        self._count_rows("items", *(row[0] for row in items), sign=-1)
        return len(items)

    def append_audit(self, row: AuditRow) -> None:
        """See `GalleryStore`."""
        added = self._change(
            "INSERT INTO vultus_db.audit (position, at, entry, digest)"
            " SELECT %s::bigint, %s::text, %s::bytea, %s::bytea WHERE %s ="
            " (SELECT coalesce(max(position), 0) + 1 FROM vultus_db.audit)",
            *(row.position, row.at, row.entry, row.digest, row.position),
        )
        if not added:
            last = self.last_audit()
            due = 1 if last is None else last.position + 1
            raise InputError(f"the next audit entry must have position {due}, got {row.position}")

    def audit(self, *, after: int = 0, limit: int = PAGE) -> list[AuditRow]:
        """See `GalleryStore`."""
        rows = self._rows(_AUDIT + " WHERE position > %s ORDER BY position LIMIT %s", after, limit)
        return [AuditRow(*row) for row in rows]

    def last_audit(self) -> AuditRow | None:
        """See `GalleryStore`."""
        row = self._row(_AUDIT + " ORDER BY position DESC LIMIT 1")
        return None if row is None else AuditRow(*row)

    def facts(self) -> dict[str, bytes]:
        """See `vultus.gallery.stores.copying.CopiedStore`."""
        rows = self._rows("SELECT key, value FROM vultus_db.meta ORDER BY key")
        return {key: value for key, value in rows if key not in KEPT.values()}

    def numbers(self) -> Numbers:
        """See `vultus.gallery.stores.copying.CopiedStore`."""
        rows = self._rows("SELECT last_key, last_item, last_event FROM vultus_db.counters")
        key, item, event = rows[0]
        return Numbers(key=key, item=item, event=event)

    def drop(self) -> None:
        """Delete the gallery, and wipe its keys; nothing can be done with the store afterwards."""
        with self.transaction(write=True):
            self._change(
                "INSERT INTO vultus_db.scrubs (part, writes) SELECT DISTINCT tableoid, %s::bigint"
                " FROM vultus_db.keys ON CONFLICT (gallery, part) DO UPDATE SET writes ="
                " excluded.writes",
                self._work.n,
            )
            self._change(
                "UPDATE vultus_db.keys SET wrapped = decode(repeat('00', length(wrapped)), 'hex')"
            )
        if not self._wiped():
            raise GalleryError(
                f"the keys of {self.location} are destroyed, and somebody who reads is in the way "
                "of wiping them; remove it again when nobody does"
            )
        with self.transaction(write=True):
            self._rows("SELECT vultus_db.drop_gallery()")

    def _wiped(self) -> bool:
        """Wait for those who read, such as the server's own statistics, and wipe."""
        end = time.monotonic() + WIPE_PATIENCE_S
        while not self.scrub():
            if time.monotonic() >= end:
                return False
            time.sleep(_WIPE_AGAIN_S)
        return True

    def n_erasures(self) -> int:
        """How many erasures were ever noted under this gallery's name."""
        return self._counter("SELECT count(*) FROM vultus_db.erasures")

    def add_erasure(self, gallery_id: bytes, uid: bytes, *, at: str, digest: bytes) -> int:
        """Note an erasure; gives how many there are, as `DatabaseErasures` says."""
        rows = self._changed(
            "INSERT INTO vultus_db.erasures (number, vault, uid, at, digest)"
            " SELECT coalesce(max(number), 0) + 1, %s, %s, %s, %s FROM vultus_db.erasures"
            " RETURNING number",
            *(gallery_id, uid, at, digest),
        )
        return int(rows[0][0])

    def erasures(self) -> list[tuple[bytes, bytes, bytes]]:
        """Of each erasure in order: the gallery's id, the person's random bytes, the digest."""
        rows = self._rows("SELECT vault, uid, digest FROM vultus_db.erasures ORDER BY number")
        return [(vault, uid, digest) for vault, uid, digest in rows]

    def backup(self, path: Path) -> None:
        """See `GalleryStore`; the copy is a gallery's file, of the store ``sqlite``."""
        with self.transaction():
            write_file(self, path)

    def check(self) -> list[str]:
        """See `GalleryStore`."""
        with self.transaction():
            return list(self._problems())

    def _problems(self) -> Iterator[str]:
        for problem, sql in LOOKS:
            if self._rows(sql + " LIMIT 1"):
                yield problem
        yield from self._wrong_counts()
        wrong = self._rows(
            "SELECT id FROM vultus_db.people AS p WHERE n_faces <> (SELECT count(*)"
            " FROM vultus_db.faces WHERE person_id = p.id) ORDER BY id LIMIT 20"
        )
        for (number,) in wrong:
            yield f"person {number}: not as many faces as were counted"
