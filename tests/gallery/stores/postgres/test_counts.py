"""How many items and events there are is bound to the gallery's key: who owns the tables cannot."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.gallery.stores.postgres.server import Server

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.review.queue import ReviewQueue
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.restoring import restore

Photos = Callable[..., Embeddings]
KEY = MasterKey(bytes(range(32)))


@pytest.fixture
def url(postgres_url: str, space: EmbeddingSpace, photos_of: Photos) -> str:
    """A gallery with items and events, some of which came and went."""
    where = f"{postgres_url}/g{secrets.token_hex(6)}"
    with Gallery.open(where, space=space, key=KEY) as gallery:
        ReviewQueue(gallery).allow()
        log = EventLog(gallery)
        for name in ("Ada", "Ben", "Cid"):
            gallery.enroll(name, photos_of(ord(name[0])))
            log.append(NewEvent(type="recognised", person=gallery.person(name).uid))
            log.append(NewEvent(type="unknown"))
        gallery.remove("Ben")
        assert gallery.check() == []
    with Gallery.open(where, key=KEY) as gallery:
        assert gallery.check() == []
    return where


def by_owner(server: Server, url: str, statement: str) -> None:
    """What who may write the tables does behind the gallery's back."""
    name = url.rpartition("/")[2]
    number = server.sql(
        f"SELECT id FROM vultus_db.directory WHERE name = '{name}'", database="faces"
    )
    server.sql(statement.format(number), database="faces")


@pytest.mark.parametrize("table", ["items", "events"])
def test_rows_that_are_missing_are_noticed_though_the_tables_count_them(
    postgres_server: Server, url: str, table: str
) -> None:
    row = {"items": "id", "events": "position"}[table]
    by_owner(
        postgres_server,
        url,
        f"DELETE FROM vultus_db.{table} WHERE gallery = {{0}} AND {row} ="
        f" (SELECT max({row}) FROM vultus_db.{table} WHERE gallery = {{0}})",
    )
    with pytest.raises(GalleryError, match=f"{table}: rows are missing"):
        Gallery.open(url, key=KEY)


def test_a_count_that_was_put_right_by_hand_is_noticed(postgres_server: Server, url: str) -> None:
    by_owner(
        postgres_server,
        url,
        "UPDATE vultus_db.meta SET value = '0 0' WHERE gallery = {0} AND key = 'kept_items'",
    )
    with pytest.raises(GalleryError, match="a number of rows"):
        Gallery.open(url, key=KEY)


def test_all_items_of_a_kind_and_their_events_are_counted_off(url: str) -> None:
    with Gallery.open(url, key=KEY) as gallery:
        store = gallery.opened.store
        kinds = {row.kind for row in store.items()}
        with store.transaction(write=True):
            for kind in sorted(kinds):
                store.delete_items(kind)
        assert store.check() == []
        assert store.items() == []
    with Gallery.open(url, key=KEY) as gallery:
        assert gallery.opened.store.check() == []


def test_what_is_bound_stays_so_on_the_way_to_a_file_and_back(url: str, tmp_path: Path) -> None:
    with Gallery.open(url, key=KEY) as gallery:
        gallery.backup(tmp_path / "backup")
    with Gallery.open(tmp_path / "backup", key=KEY) as gallery:
        assert gallery.check() == []
    back = f"{url}-back"
    restore(tmp_path / "backup", back, key=KEY)
    with Gallery.open(back, key=KEY) as gallery:
        assert gallery.check() == []
        EventLog(gallery).append(NewEvent(type="unknown"))
        assert gallery.check() == []


def test_a_gallery_of_before_is_bound_when_it_is_opened(postgres_server: Server, url: str) -> None:
    with Gallery.open(url, key=KEY) as gallery:
        opened = gallery.opened
        summary = opened.store.meta("summary") or b""
        data = summary[32:].replace(b'"bound": true', b'"bound": false')
        assert data != summary[32:]
        with opened.store.transaction(write=True):
            opened.store.set_meta("summary", opened.vault.audit_digest(b"summary " + data) + data)
            opened.store.set_meta("kept_items", None)
            opened.store.set_meta("kept_events", None)
    with Gallery.open(url, key=KEY) as gallery:
        assert gallery.check() == []
        assert len((gallery.opened.store.meta("kept_events") or b"").split()) == 3
