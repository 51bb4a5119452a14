"""When the bytes of a destroyed key are gone: from the tables at once, from the log in time."""

import secrets
import time

import pytest
from tests.gallery.stores.postgres.scrubbing import scrubbed
from tests.gallery.stores.postgres.server import Server, running_server

from vultus.gallery.stores.postgres.store import PostgresStore


def holding(server: Server, needle: bytes) -> list[str]:
    """The server's files in which some bytes stand."""
    found = []
    for path in server.data.rglob("*"):
        try:
            if path.is_file() and needle in path.read_bytes():
                found.append(str(path.relative_to(server.data)))
        except FileNotFoundError:  # removed meanwhile
            continue
    return found


def in_tables(server: Server, needle: bytes) -> list[str]:
    server.sql("CHECKPOINT")  # what is in memory is written
    return [name for name in holding(server, needle) if name.startswith("base/")]


def test_a_destroyed_key_is_gone_from_the_tables_at_once_and_from_the_log_with_its_segment(
    postgres_server: Server, postgres_url: str
) -> None:
    store = PostgresStore(f"{postgres_url}/g{secrets.token_hex(6)}", create=True)
    needle, other = secrets.token_bytes(60), secrets.token_bytes(60)
    with store.transaction(write=True):
        first, _ = store.add_key(secrets.token_bytes(16), needle), None
        second = store.add_key(secrets.token_bytes(16), other)
    # As autovacuum does of its own accord: samples of columns are kept with the statistics.
    postgres_server.sql("ANALYZE", database="faces")
    assert in_tables(postgres_server, needle)
    with store.transaction(write=True):
        store.destroy_key(first)
    assert scrubbed(store)
    assert in_tables(postgres_server, needle) == []
    assert in_tables(postgres_server, other)
    assert store.key(second) is not None
    # The log: the segment is closed, and the next checkpoint but one removes it.
    for _ in range(2):
        postgres_server.sql("SELECT pg_switch_wal()", "CHECKPOINT")
    assert holding(postgres_server, needle) == []
    store.close()


def test_events_that_were_deleted_are_gone_from_the_tables(
    postgres_server: Server, postgres_url: str
) -> None:
    from vultus.gallery.stores.base import ItemRow
    from vultus.gallery.stores.event_rows import EventRow

    store = PostgresStore(f"{postgres_url}/g{secrets.token_hex(6)}", create=True)
    needle = secrets.token_bytes(60)
    with store.transaction(write=True):
        key = store.add_key(secrets.token_bytes(16), bytes(range(60)))
        stream = store.add_item(
            ItemRow(id=0, kind="x", key_id=key, created_at="", expires_at=None, body=b"")
        )
        store.add_event(
            EventRow(
                position=1, tag=secrets.token_bytes(32), stream=stream, type="a", at="", body=needle
            )
        )
    assert in_tables(postgres_server, needle)
    with store.transaction(write=True):
        assert store.delete_events([1]) == 1
    assert scrubbed(store)
    assert in_tables(postgres_server, needle) == []
    store.close()


@pytest.mark.postgres
def test_without_anybodys_doing_the_log_forgets_within_its_stated_bound() -> None:
    settings = "archive_timeout = 30s\ncheckpoint_timeout = 30s\ncheckpoint_completion_target = 0\n"
    with running_server(settings=settings) as server, pytest.MonkeyPatch.context() as patch:
        store = _prepared(server, patch)
        needle = secrets.token_bytes(60)
        with store.transaction(write=True):
            key = store.add_key(secrets.token_bytes(16), needle)
        with store.transaction(write=True):
            store.destroy_key(key)
        assert scrubbed(store)
        erased_at = time.monotonic()
        while holding(server, needle):
            # archive_timeout + 2 checkpoint_timeout, and the work, which waits for a turn.
            assert time.monotonic() - erased_at < 30 + 2 * 30 + 30
            time.sleep(1)
            with store.transaction(write=True):  # a gallery that is used
                store.set_meta("a", secrets.token_bytes(8))
        store.close()


def _prepared(server: Server, patch: pytest.MonkeyPatch) -> PostgresStore:
    from tests.gallery.stores.postgres.server import OWNER, PASSWORD, SERVICE

    from vultus.gallery.stores.places import DatabasePlace
    from vultus.gallery.stores.postgres.schema import upgrade

    patch.setenv("PGPASSWORD", PASSWORD)
    server.sql(f"CREATE DATABASE faces OWNER {OWNER}")
    place = DatabasePlace(user=OWNER, hosts=server.address, database="faces", gallery=None)
    upgrade(place, grant=(SERVICE,))
    return PostgresStore(f"postgresql://{SERVICE}@{server.address}/faces/g", create=True)
