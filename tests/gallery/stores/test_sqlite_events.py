"""What SQLite's log of events does a few buckets at a time."""

import random
import secrets
from contextlib import closing
from pathlib import Path

import pytest

from vultus.gallery.stores import sqlite_events
from vultus.gallery.stores.base import ItemRow
from vultus.gallery.stores.event_rows import EventFilter, EventRow
from vultus.gallery.stores.sqlite import SqliteStore


def at(minute: int) -> str:
    return f"2026-11-30T{minute // 60:02}:{minute % 60:02}:00.000+00:00"


def test_a_time_is_found_over_many_buckets_and_gaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_events, "_BUCKETS", 2)
    rng = random.Random(0)
    with closing(SqliteStore(tmp_path / "g.db", create=True)) as store:
        with store.transaction(write=True):
            key = store.add_key(b"u" * 16, b"w" * 60)
            item = ItemRow(id=0, kind="x", key_id=key, created_at="", expires_at=None, body=b"")
            stream = store.add_item(item)
            rows = [
                EventRow(
                    position=position,
                    tag=secrets.token_bytes(32),
                    stream=stream,
                    type="left",
                    # Now and then a film of this morning is looked through in the evening.
                    at=at((position if position // 100 % 3 else position // 2) % 1440),
                    body=b"",
                )
                for position in range(1, 1401)
            ]
            for row in rows:
                store.add_event(row)
            gone = {*range(128, 192), *range(700, 1000), *rng.sample(range(1, 1401), 200)}
            store.delete_events(gone)
        left = [row for row in rows if row.position not in gone]
        for _ in range(60):
            since, until = sorted(rng.sample(range(1440), 2))
            which = EventFilter(since=at(since), until=rng.choice([at(until), None]))
            after, limit = rng.choice([0, 500, 1399, 2000]), rng.choice([1, 50, 5000])
            due = [row for row in left if row.position > after and which.takes(row)]
            assert store.events(which, after=after, limit=limit) == due[:limit]
