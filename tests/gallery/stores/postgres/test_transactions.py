"""Changes kept once and whole while connections are lost; what waits too long is told."""

import secrets
import threading
from collections.abc import Iterator

import psycopg
import pytest
from tests.gallery.stores.postgres.server import Server

from vultus.core.errors import (
    GalleryBusyError,
    GalleryError,
    GalleryUncertainError,
    GalleryUnreachableError,
)
from vultus.gallery.stores.postgres import connecting, transactions
from vultus.gallery.stores.postgres.connecting import Connection
from vultus.gallery.stores.postgres.store import PostgresStore


@pytest.fixture
def url(postgres_url: str) -> str:
    return f"{postgres_url}/g{secrets.token_hex(6)}"


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(url, create=True)
    yield store
    store.close()


def end_all(server: Server) -> None:
    """End every connection of the service, as a server that is started anew does."""
    server.sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE usename = 'vultus_service'"
    )


def test_a_read_goes_on_after_all_connections_were_lost(
    postgres_server: Server, store: PostgresStore
) -> None:
    with store.transaction(write=True):
        store.set_meta("a", b"1")
    for _ in range(3):
        end_all(postgres_server)
        assert store.meta("a") == b"1"
        end_all(postgres_server)
        with store.transaction():
            assert store.meta("a") == b"1"
        end_all(postgres_server)
        with store.transaction(write=True):
            store.set_meta("b", b"2")


def test_a_change_that_loses_its_connection_is_not_kept_and_says_so(
    postgres_server: Server, store: PostgresStore
) -> None:
    def lost() -> None:
        with store.transaction(write=True):
            store.set_meta("a", b"1")
            end_all(postgres_server)
            store.set_meta("b", b"1")

    with pytest.raises(GalleryUnreachableError, match="was lost, nothing was changed; try again"):
        lost()
    assert store.facts() == {}


class _Losing:
    """A connection that is lost at COMMIT, before or after the server did it."""

    def __init__(self, connection: Connection, server: Server, *, kept: bool) -> None:
        self._connection, self._server, self._kept = connection, server, kept

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, sql: str, *args: object, **options: object) -> object:
        if sql != "COMMIT":
            return self._connection.execute(sql, *args, **options)  # type: ignore[call-overload]
        if self._kept:
            self._connection.execute("COMMIT")
        end_all(self._server)
        return self._connection.execute("COMMIT")


@pytest.mark.parametrize("kept", [False, True])
def test_whether_a_change_was_kept_is_known_though_the_answer_was_lost(
    postgres_server: Server, store: PostgresStore, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    begun = PostgresStore._begun
    monkeypatch.setattr(
        PostgresStore,
        "_begun",
        lambda self, connection, write: _Losing(
            begun(self, connection, write), postgres_server, kept=kept
        ),
    )

    def change() -> None:
        with store.transaction(write=True):
            store.set_meta("a", b"1")

    if kept:
        change()
    else:
        with pytest.raises(GalleryError, match="was lost, nothing was changed"):
            change()
    monkeypatch.undo()
    assert store.meta("a") == (b"1" if kept else None)


def test_who_waits_too_long_for_another_writer_is_told(
    url: str, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connecting._SETTINGS, "lock_timeout", "100ms")
    other = PostgresStore(url)
    with (
        store.transaction(write=True),
        pytest.raises(GalleryBusyError, match="in use by another process; try again"),
        other.transaction(write=True),
    ):
        pass
    with other.transaction(write=True):
        other.set_meta("a", b"1")
    other.close()


def test_a_statement_that_takes_too_long_is_told(
    url: str, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connecting._SETTINGS, "statement_timeout", "50ms")
    other = PostgresStore(url)
    with pytest.raises(GalleryBusyError, match="took too long to answer"):
        other._rows("SELECT pg_sleep(5)")
    other.close()


def test_who_finds_no_connection_free_is_told_how_to_have_more(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_POSTGRES_CONNECTIONS", "1")
    monkeypatch.setattr("vultus.gallery.stores.postgres.sessions.CONNECT_TIMEOUT_S", 0.2)
    store = PostgresStore(url, create=True)
    told: list[str] = []

    def ask() -> None:
        try:
            store.people()
        except GalleryError as error:
            told.append(str(error))

    with store.transaction():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert "all 1 connections are taken" in told[0]
    assert store.people() == []
    store.close()


def test_messages_hold_nothing_of_a_row(store: PostgresStore) -> None:
    twice = "INSERT INTO vultus_db.meta (key, value) VALUES ('of ann', ''), ('of ann', '')"
    with pytest.raises(GalleryError) as caught, store.transaction(write=True):
        store._change(twice)
    assert "has that already" in str(caught.value)
    assert "of ann" not in str(caught.value)


def test_notifications_tell_of_changes(store: PostgresStore) -> None:
    with store._sessions.alone() as listener:
        row = listener.execute("SELECT vultus_db.gallery()").fetchone()
        assert row is not None
        listener.execute(
            psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(f"vultus_{row[0]}"))
        )
        with store.transaction(write=True):
            store.set_meta("a", b"1")
            store.set_meta("b", b"1")
        with store.transaction(write=True):
            pass
        assert len(list(listener.notifies(timeout=1, stop_after=2))) == 1


def test_a_slot_of_long_ago_is_taken_again(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "_SLOTS", 4)
    for i in range(10):
        with store.transaction(write=True):
            store.set_meta("a", b"%d" % i)
    assert store._rows("SELECT count(*) FROM vultus_db.writes") == [(4,)]


def test_a_commit_whose_copy_the_server_did_not_wait_for_is_not_called_kept(
    postgres_server: Server, store: PostgresStore
) -> None:
    """A server that is told to wait no longer for its standby commits, and warns."""
    name = f"warn_{secrets.token_hex(6)}"
    postgres_server.sql(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE WARNING 'canceling wait'; RETURN NULL; END $$",
        f"CREATE CONSTRAINT TRIGGER {name} AFTER INSERT ON vultus_db.meta DEFERRABLE"
        f" INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {name}()",
        database="faces",
    )
    try:
        with (
            pytest.raises(GalleryUncertainError, match="look whether it is there"),
            store.transaction(write=True),
        ):
            store.set_meta("a", b"1")
    finally:
        postgres_server.sql(f"DROP FUNCTION {name} CASCADE", database="faces")
    assert store.meta("a") == b"1"


def test_when_too_many_wait_for_a_connection_the_next_is_told_at_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_POSTGRES_CONNECTIONS", "1")
    monkeypatch.setattr("vultus.gallery.stores.postgres.sessions._WAITING", 1)
    store = PostgresStore(url, create=True)
    told: list[BaseException] = []

    def ask() -> None:
        try:
            store.people()
        except GalleryError as error:
            told.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    with store.transaction():
        for thread in threads:
            thread.start()
        for thread in threads[1:]:
            thread.join(0.1)
        while not told:
            threads[0].join(0.01)
    for thread in threads:
        thread.join()
    assert {type(error) for error in told} == {GalleryBusyError}
    assert "too many wait" in str(told[0])
    assert len(told) < len(threads)  # who waited got theirs
    store.close()


def test_what_is_acknowledged_is_on_disk_whatever_the_servers_default_is(
    postgres_server: Server, url: str
) -> None:
    for given, due in (("off", "on"), ("remote_write", "on"), ("remote_apply", "remote_apply")):
        postgres_server.sql(f"ALTER ROLE vultus_service SET synchronous_commit = {given}")
        try:
            store = PostgresStore(url, create=True)
            assert store._rows("SELECT current_setting('synchronous_commit')") == [(due,)]
            store.close()
        finally:
            postgres_server.sql("ALTER ROLE vultus_service RESET synchronous_commit")


def test_settings_that_could_lose_what_was_acknowledged_are_told_once(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vultus.gallery.stores.postgres.sessions._warned", set())
    address = url.partition("@")[2].partition("/")[0]
    several = url.replace(address, f"{address},127.0.0.1:1")
    for where, expected in ((url, "fsync"), (url, None), (several, "synchronous_standby_names")):
        caplog.clear()
        PostgresStore(where, create=True).close()
        told = [record.getMessage() for record in caplog.records if "must be on" in record.msg]
        told += [record.getMessage() for record in caplog.records if "is empty" in record.msg]
        assert bool(told) is (expected is not None)
        assert expected is None or any(expected in line for line in told)


def test_what_is_in_the_way_of_wiping_does_not_make_a_change_fail(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It was kept: who is told that nothing was changed would do it again."""
    with store.transaction(write=True):
        key = store.add_key(secrets.token_bytes(16), secrets.token_bytes(60))

    def full(*_: object) -> bool:
        raise store._error(psycopg.errors.DiskFull()) from psycopg.errors.DiskFull()

    with monkeypatch.context() as patch:
        patch.setattr(store, "_scrubbed", full)
        with store.transaction(write=True):
            store.destroy_key(key)
        assert not store.scrub()
    assert "not wiped from the tables yet: DiskFull" in caplog.text
    assert store.key(key) is None
    store.close()
    with pytest.raises(GalleryError, match="closed"):
        store.scrub()
