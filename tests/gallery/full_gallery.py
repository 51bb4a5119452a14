"""A gallery that has something of everything, and ways to change rows of it as no program would."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gallery.moving.two_models import OLD, RULE, begun, crops_of, embed, embed_new, enrol

from vultus.gallery.events.checkpoints import Checkpoints
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog, EventRules
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.people.details import Consent, PersonDetails
from vultus.gallery.review.merging import merge, unmerge
from vultus.gallery.review.queue import ReviewQueue, ReviewRules
from vultus.gallery.security.master_key import MasterKey

DETAILS = (
    PersonDetails(external_id="e-0", groups=["staff", "night"], metadata={"desk": 4}),
    PersonDetails(
        external_id="e-1",
        groups=["staff"],
        consent=Consent(given_at="2026-01-01", purpose="entry", until="2030-01-01"),
    ),
    PersonDetails(groups=["guests"], retain_until="2040-01-01"),
)


def make_full_gallery(path: Path, key: MasterKey | None = None) -> None:
    """Make it: people, groups, consent, crops, queue, merges, events, erasures, a migration."""
    with Gallery.open(path, space=OLD, outlier_similarity=0.5, key=key, actor="tester") as gallery:
        KeptCrops(gallery).allow()
        for person in range(8):
            enrol(gallery, person, crops=person < 6)
        for person, details in enumerate(DETAILS):
            gallery.note(f"person {person}", details)
        queue = ReviewQueue(gallery)
        queue.allow(ReviewRules(days=7))
        for person in (20, 21):
            probe = embed(crops_of(person, 1), OLD)
            queue.offer(probe, gallery.identify(probe, threshold=RULE), sources=[f"{person}.jpg"])
        queue.deny(queue.faces()[0].number, "person 0")
        log = EventLog(gallery)
        log.keep(EventRules(days=365))
        uids = [gallery.person(f"person {person}").uid for person in range(8)]
        for uid in (uids[0], uids[1], uids[0], None, uids[3], None):
            log.append(NewEvent(type="unknown" if uid is None else "recognised", person=uid))
        merge(gallery, "person 3", "person 0")
        unmerge(gallery, merge(gallery, "person 4", "person 1"))
        gallery.remove("person 5")
        with gallery.opened.store.transaction(write=True):
            Checkpoints(gallery.opened).write("camera", {"frame": 7})
        migration = begun(gallery)
        migration.embed_crops(embed_new)
        migration.enroll("person 7", embed_new(crops_of(7)))
        gallery.remove("person 6")
        assert gallery.check() == []


@dataclass(frozen=True)
class Mutation:
    """A change of one table's rows.

    Attributes:
        table: Which.
        what: In words.
        row: As it was.
        statements: SQL and its values.
    """

    table: str
    what: str
    row: dict[str, Any]
    statements: tuple[tuple[str, tuple[Any, ...]], ...]

    def __str__(self) -> str:
        return f"{self.table}: {self.what}"

    def apply(self, path: Path, *, triggers: bool) -> None:
        """Change a gallery's file; without triggers nothing is counted anew."""
        with closing(sqlite3.connect(path)) as connection:
            kept = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            found = [] if triggers else kept.fetchall()
            for name, _ in found:
                connection.execute(f"DROP TRIGGER {name}")
            for sql, values in self.statements:
                connection.execute(sql, values)
            for _, sql in found:
                connection.execute(sql)
            connection.commit()


def mutations(path: Path) -> Iterator[Mutation]:
    """Of each table: every column of some rows changed, emptied and swapped, rows deleted."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        for (table,) in tables.fetchall():
            if table not in ("sqlite_sequence", "sqlite_stat1"):
                yield from _of_table(connection, table)


def _of_table(connection: sqlite3.Connection, table: str) -> Iterator[Mutation]:
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    names = [column[1] for column in columns]
    keys = [column[1] for column in sorted(columns, key=lambda column: column[5]) if column[5]]
    rows = connection.execute(f"SELECT * FROM {table} ORDER BY {', '.join(keys)}").fetchall()
    assert rows, f"nothing is in {table}"
    some = (
        rows if table == "meta" else [rows[i] for i in sorted({0, len(rows) // 2, len(rows) - 1})]
    )
    where = " AND ".join(f"{key} = ?" for key in keys)
    for row in some:
        key = tuple(row[names.index(name)] for name in keys)
        at = f"{where} {key}"
        was = dict(zip(names, row, strict=True))
        yield Mutation(table, f"DELETE {at}", was, ((f"DELETE FROM {table} WHERE {where}", key),))
        for column, value in zip(names, row, strict=True):
            sql = f"UPDATE {table} SET {column} = ? WHERE {where}"
            yield Mutation(table, f"{column} changed {at}", was, ((sql, (_other(value), *key)),))
    for column in set(names) - set(keys) if len(rows) > 1 else ():
        place = names.index(column)
        first, last = (
            rows[0],
            next((row for row in rows[::-1] if row[place] != rows[0][place]), None),
        )
        if last is not None:
            sql = f"UPDATE {table} SET {column} = ? WHERE {where}"
            one, other = (tuple(row[names.index(k)] for k in keys) for row in (first, last))
            swap = (
                (sql, (_other(first[place]), *one)),
                (sql, (first[place], *other)),
                (sql, (last[place], *one)),
            )
            yield Mutation(table, f"{column} swapped {one} {other}", {}, swap)


def _other(value: Any) -> Any:
    if value is None:
        return "2030-01-01T00:00:00.000+00:00"
    if isinstance(value, int):
        return value + 1_000_003
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1]) if value else b"\0"
    return value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x"
