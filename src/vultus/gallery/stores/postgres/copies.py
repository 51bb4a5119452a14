"""Many rows of a gallery that is copied into a database, a page at a time."""

from collections.abc import Sequence
from typing import LiteralString

from vultus.gallery.stores.base import AuditRow, KeyRow
from vultus.gallery.stores.copying import CopiedPerson, Numbers
from vultus.gallery.stores.postgres.events import PostgresEvents
from vultus.gallery.stores.postgres.transactions import Row


class PostgresCopies(PostgresEvents):
    """What `vultus.gallery.stores.postgres.store.PostgresStore` does where a gallery is copied.

    Arguments and errors are those of `PostgresTransactions`.
    """

    def pass_numbers(self, upto: Numbers) -> None:
        """See `vultus.gallery.stores.copying.CopiedStore`."""
        self._change(
            "INSERT INTO vultus_db.keys (id, uid, wrapped) SELECT id, uuid_send(gen_random_uuid()),"
            " '\\x00' FROM vultus_db.counters, generate_series(last_key + 1, %s) AS id"
            " ON CONFLICT DO NOTHING",
            upto.key,
        )
        self._change(
            "UPDATE vultus_db.counters SET last_key = greatest(last_key, %s),"
            " last_item = greatest(last_item, %s), last_event = greatest(last_event, %s)",
            *(upto.key, upto.item, upto.event),
        )

    def add_keys(self, rows: Sequence[KeyRow]) -> None:
        """See `vultus.gallery.stores.copying.ManyStore`."""
        self._insert(
            "INSERT INTO vultus_db.keys (gallery, id, uid, wrapped)"
            " SELECT (SELECT vultus_db.gallery()), *"
            " FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[])",
            [(row.id, row.uid, row.wrapped) for row in rows],
        )
        if rows:
            self.pass_numbers(Numbers(key=rows[-1].id))  # those between them, too

    def add_audit(self, rows: Sequence[AuditRow]) -> None:
        """See `vultus.gallery.stores.copying.ManyStore`."""
        self._insert(
            "INSERT INTO vultus_db.audit (gallery, position, at, entry, digest)"
            " SELECT (SELECT vultus_db.gallery()), *"
            " FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::bytea[])",
            [(row.position, row.at, row.entry, row.digest) for row in rows],
        )

    def add_people(self, rows: Sequence[CopiedPerson]) -> None:
        """See `vultus.gallery.stores.copying.ManyStore`."""
        # In one statement: how many have so many faces is counted once for all of them.
        self._insert(
            "INSERT INTO vultus_db.people (gallery, id, uid, name_tag, external_tag, n_faces,"
            " enrolled_at, expires_at, record) SELECT (SELECT vultus_db.gallery()), * FROM"
            " unnest(%s::bigint[], %s::bytea[], %s::bytea[], %s::bytea[], %s::integer[],"
            " %s::text[], %s::text[], %s::bytea[])",
            [_person(one) for one in rows],
        )
        self._insert(
            "INSERT INTO vultus_db.faces (gallery, person_id, number, body)"
            " SELECT (SELECT vultus_db.gallery()), *"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[])",
            [(face.person_id, face.number, face.body) for one in rows for face in one.faces],
        )
        self._insert(
            "INSERT INTO vultus_db.templates (gallery, person_id, body)"
            " SELECT (SELECT vultus_db.gallery()), * FROM unnest(%s::bigint[], %s::bytea[])",
            [(one.row.id, one.template) for one in rows if one.template is not None],
        )
        self._insert(
            "INSERT INTO vultus_db.groups (gallery, person_id, name)"
            " SELECT (SELECT vultus_db.gallery()), * FROM unnest(%s::bigint[], %s::text[])",
            [(one.row.id, name) for one in rows for name in one.groups],
        )
        # The log of changes begins after them: who knew the gallery before reads everybody.
        self._change(
            "UPDATE vultus_db.counters SET last_change = last_change + %s,"
            " changes_from = last_change + %s",
            *(len(rows), len(rows)),
        )

    def _insert(self, sql: LiteralString, rows: Sequence[Row]) -> None:
        """Add rows by one statement, which gets a list for each column."""
        # The gallery is named in brackets: as the default of its column it is asked for each row.
        if rows:
            self._change(sql, *(list(column) for column in zip(*rows, strict=True)))


def _person(one: CopiedPerson) -> Row:
    row = one.row
    return (
        *(row.id, row.uid, row.name_tag, row.external_tag, len(one.faces)),
        *(row.enrolled_at, row.expires_at, row.record),
    )
