"""What a search must know, and people with their keys, asked of a database in one statement."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from vultus.core.errors import GalleryDamagedError
from vultus.gallery.stores.base import KeyRow
from vultus.gallery.stores.glances import By, Glance, KeyedPerson
from vultus.gallery.stores.postgres.people import PostgresPeople, person_row

_GLANCE: LiteralString = (
    "SELECT last_change, ARRAY(SELECT id FROM vultus_db.people WHERE expires_at <= %s),"
    " (SELECT value FROM vultus_db.meta WHERE key = %s),"
    " ARRAY(SELECT ARRAY[n_faces::bigint, n_people] FROM vultus_db.sizes WHERE n_people <> 0)"
)
_MEMBERS: LiteralString = (
    ", ARRAY(SELECT DISTINCT person_id FROM vultus_db.groups WHERE name = ANY(%s)),"
    " ARRAY(SELECT ARRAY[n_faces::bigint, count(*)] FROM vultus_db.people WHERE id IN"
    " (SELECT person_id FROM vultus_db.groups WHERE name = ANY(%s)) GROUP BY n_faces)"
)
_COUNTERS: LiteralString = " FROM vultus_db.counters"
_KEYED: LiteralString = (
    "SELECT p.id, p.uid, name_tag, external_tag, n_faces, enrolled_at, expires_at, record, k.uid,"
    " wrapped FROM vultus_db.people AS p LEFT JOIN vultus_db.keys AS k ON k.id = p.id"
)
_BY: Mapping[By, LiteralString] = {
    # Said of both: then only those parts of the keys are opened in which one may be.
    "id": " AND k.id = ANY(%s::bigint[]) WHERE p.id = ANY(%s::bigint[])",
    "uid": " WHERE p.uid = ANY(%s::bytea[])",
    "name": " WHERE name_tag = ANY(%s::bytea[])",
    "external": " WHERE external_tag = ANY(%s::bytea[])",
}


class PostgresGlances(PostgresPeople):
    """How `vultus.gallery.stores.postgres.store.PostgresStore` is asked for much at once.

    One statement is of one state without a transaction. Arguments and errors are those of
    `PostgresTransactions`.
    """

    def glance(self, fact: str, when: str, groups: Sequence[str] | None) -> Glance:
        """See `vultus.gallery.stores.glances.GlancedStore`."""
        values: list[object] = [when, fact]
        if groups is None:
            row = self._row(_GLANCE + _COUNTERS, *values)
        else:
            row = self._row(_GLANCE + _MEMBERS + _COUNTERS, *values, list(groups), list(groups))
        if row is None:
            raise GalleryDamagedError(f"{self.location} is damaged or was removed")
        position, expired, kept, sizes, *among = row
        return Glance(
            position=position,
            expired=frozenset(expired),
            fact=kept,
            people_by_faces=dict(sizes),
            members=frozenset(among[0]) if among else None,
            members_by_faces=dict(among[1]) if among else None,
        )

    def keyed_people(self, by: By, values: Sequence[int] | Sequence[bytes]) -> list[KeyedPerson]:
        """See `vultus.gallery.stores.glances.GlancedStore`."""
        rows = self._rows(_KEYED + _BY[by], *([list(values)] * _BY[by].count("%s")))
        return [(person_row(row[:-2]), _key(row[0], *row[-2:])) for row in rows]

    def keyed_page(self, *, after: int, limit: int) -> list[KeyedPerson]:
        """See `vultus.gallery.stores.glances.GlancedStore`."""
        with self.transaction():
            rows = self.people(after=after, limit=limit)
            if not rows:
                return []
            # Apart: a join would look into each of the many parts of the keys for each person.
            keys = self._rows(
                "SELECT id, uid, wrapped FROM vultus_db.keys WHERE id BETWEEN %s AND %s",
                *(rows[0].id, rows[-1].id),
            )
        known = {row[0]: _key(*row) for row in keys}
        return [(row, known.get(row.id)) for row in rows]


def _key(number: int, uid: bytes | None, wrapped: bytes | None) -> KeyRow | None:
    """None if there is none, or it was destroyed."""
    if uid is None or wrapped is None or not any(wrapped):
        return None
    return KeyRow(number, uid, wrapped)
