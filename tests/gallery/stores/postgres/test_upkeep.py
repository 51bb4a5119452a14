"""What the owner of the tables does now and then."""

import secrets
import threading
import time
from contextlib import closing

import pytest
from tests.gallery.stores.postgres.server import OWNER, Server
from tests.gallery.stores.postgres.test_erased_bytes import holding, in_tables

from vultus.core.errors import GalleryError
from vultus.gallery.stores.places import DatabasePlace, place_of
from vultus.gallery.stores.postgres import store as postgres_store
from vultus.gallery.stores.postgres import transactions
from vultus.gallery.stores.postgres.store import PostgresStore
from vultus.gallery.stores.postgres.upkeep import remove_gallery, scrub_database


@pytest.fixture
def url(postgres_url: str) -> str:
    return f"{postgres_url}/g{secrets.token_hex(6)}"


def place(server: Server, user: str) -> DatabasePlace:
    return DatabasePlace(user=user, hosts=server.address, database="faces", gallery=None)


def test_what_erasing_left_for_later_is_wiped_and_the_log_too(
    postgres_server: Server, url: str
) -> None:
    needle = secrets.token_bytes(60)
    with (
        closing(PostgresStore(url, create=True)) as store,
        closing(PostgresStore(url)) as reader,
    ):
        with store.transaction(write=True):
            key = store.add_key(secrets.token_bytes(16), needle)
        with reader.transaction():
            assert reader.people() == []
            with store.transaction(write=True):
                store.destroy_key(key)
            assert not store.scrub()
            assert in_tables(postgres_server, needle)
            reading = scrub_database(place(postgres_server, OWNER))
            assert (reading.parts, reading.left, reading.log) == (1, 1, False)
            assert in_tables(postgres_server, needle)
        done = scrub_database(place(postgres_server, "postgres"))
        assert (done.parts, done.left, done.log) == (1, 0, True)
        assert holding(postgres_server, needle) == []
        assert store.scrub()
        # The rules hold again.
        told = postgres_server.sql(
            "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'vultus_db.scrubs'::regclass",
            database="faces",
        )
        assert told == "t"


def test_a_large_table_of_events_is_left_to_the_owner(
    postgres_server: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "_SMALL_BYTES", -1)
    with closing(PostgresStore(url, create=True)) as store:
        with store.transaction(write=True):
            rows = store._rows("SELECT 'vultus_db.events'::regclass::oid::bigint")
            store._due(rows[0][0])
        assert not store.scrub()
        assert scrub_database(place(postgres_server, OWNER)).left == 0
        assert store.scrub()


def test_a_gallery_that_is_removed_leaves_no_row_and_no_key(
    postgres_server: Server, url: str
) -> None:
    needle = secrets.token_bytes(60)
    with closing(PostgresStore(url, create=True)) as store:
        with store.transaction(write=True):
            store.add_key(secrets.token_bytes(16), needle)
            store.set_meta("a", b"b")
        number = store._rows("SELECT vultus_db.gallery()")[0][0]
    gone = place_of(url)
    assert isinstance(gone, DatabasePlace)
    remove_gallery(gone)
    assert in_tables(postgres_server, needle) == []
    tables = postgres_server.sql(
        "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace ="
        " 'vultus_db'::regnamespace"
        " AND relkind IN ('r', 'p') AND relname NOT IN ('directory', 'sessions', 'erasures')",
        database="faces",
    )
    for table in tables.split():
        left = postgres_server.sql(
            f"SELECT count(*) FROM vultus_db.{table} WHERE gallery = {number}", database="faces"
        )
        assert (table, left) == (table, "0")
    with pytest.raises(GalleryError, match="there is no gallery at"):
        remove_gallery(gone)
    PostgresStore(url, create=True).close()  # the name is free again


def test_a_gallery_that_somebody_reads_is_not_removed_half(
    postgres_server: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = place_of(url)
    assert isinstance(gone, DatabasePlace)
    with closing(PostgresStore(url, create=True)) as store:
        with store.transaction(write=True):
            store.add_key(secrets.token_bytes(16), secrets.token_bytes(60))
        with store.transaction(), monkeypatch.context() as impatient:
            impatient.setattr(postgres_store, "WIPE_PATIENCE_S", 0.0)
            assert store.people() == []
            with pytest.raises(GalleryError, match="remove it again when nobody does"):
                remove_gallery(gone)
        remove_gallery(gone)
        with pytest.raises(GalleryError, match="was removed"), store.transaction(write=True):
            pass


def test_who_reads_for_a_moment_is_waited_for(url: str) -> None:
    gone = place_of(url)
    assert isinstance(gone, DatabasePlace)
    with closing(PostgresStore(url, create=True)) as store:
        with store.transaction(write=True):
            store.add_key(secrets.token_bytes(16), secrets.token_bytes(60))
        reads = threading.Event()

        def read() -> None:
            with store.transaction():
                store.people()
                reads.set()
                time.sleep(1.0)

        reader = threading.Thread(target=read)
        reader.start()
        assert reads.wait(30)
        remove_gallery(gone)
        reader.join()
