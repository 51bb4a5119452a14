"""A gallery brought from a file into a database and back is the same gallery."""

import dataclasses
import secrets
from contextlib import closing
from pathlib import Path

import pytest
from tests.gallery.full_gallery import make_full_gallery

from vultus.core.errors import GalleryError
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.base import GalleryStore, ItemRow
from vultus.gallery.stores.copying import CopiedStore, Numbers, copy_gallery
from vultus.gallery.stores.event_rows import EventRow
from vultus.gallery.stores.opening import is_there, open_store
from vultus.gallery.stores.sqlite import SqliteStore
from vultus.gallery.upkeep.restoring import restore


def everything(store: GalleryStore) -> dict[str, object]:
    people = store.people()
    return {
        "people": people,
        "faces": [store.faces(row.id) for row in people],
        "groups": store.groups([row.id for row in people]),
        "templates": store.templates(),
        "keys": store.keys(),
        "items": store.items(),
        "events": store.events(),
    }


@pytest.mark.parametrize("sealed", [False, True])
def test_a_full_gallery_goes_into_a_database_and_back(
    tmp_path: Path, postgres_url: str, sealed: bool
) -> None:
    key = MasterKey.new() if sealed else None
    path, back = tmp_path / "g.db", tmp_path / "back.db"
    make_full_gallery(path, key)
    url = f"{postgres_url}/g{secrets.token_hex(6)}"
    assert not is_there(url)
    told = restore(path, url, key=key)
    assert told.erased_again == 0
    assert is_there(url)
    with Gallery.open(url, key=key) as gallery, Gallery.open(path, key=key) as old:
        assert gallery.check() == []
        assert list(gallery.people()) == list(old.people())
        assert len(gallery) == told.people == len(old)
        gallery.backup(back)
    with (
        closing(SqliteStore(path)) as first,
        closing(open_store(url)) as second,
        closing(SqliteStore(back)) as third,
    ):
        assert everything(first) == everything(second) == everything(third)
        assert first.numbers() == second.numbers() == third.numbers()
        # What was done since is in the audit logs: restored, backed up.
        n = len(first.audit())
        assert first.audit() == second.audit()[:n] == third.audit()[:n]
    with Gallery.open(back, key=key) as gallery:
        assert gallery.check() == []


def test_a_full_gallery_is_made_in_a_database(postgres_url: str, tmp_path: Path) -> None:
    url = f"{postgres_url}/g{secrets.token_hex(6)}"
    make_full_gallery(url, MasterKey.new())  # type: ignore[arg-type]
    with closing(open_store(url)) as store:
        assert store.check() == []


def test_what_is_there_is_not_copied_over(tmp_path: Path, postgres_url: str) -> None:
    path, url = tmp_path / "g.db", f"{postgres_url}/g{secrets.token_hex(6)}"
    make_full_gallery(path)
    restore(path, url)
    with closing(open_store(url)) as store:
        before = everything(store)
        with pytest.raises(GalleryError, match="there is a gallery at postgresql://"):
            restore(path, url)
        assert everything(store) == before


@pytest.mark.parametrize("into", ["file", "database"])
def test_numbers_that_were_used_are_passed(tmp_path: Path, postgres_url: str, into: str) -> None:
    places: dict[str, str | Path] = {
        "file": tmp_path / "copy.db",
        "database": f"{postgres_url}/g{secrets.token_hex(6)}",
    }
    with closing(SqliteStore(tmp_path / "g.db", create=True)) as source:
        with source.transaction(write=True):
            keys = [source.add_key(secrets.token_bytes(16), b"k" * 60) for _ in range(5)]
            row = ItemRow(id=0, kind="x", key_id=keys[2], created_at="", expires_at=None, body=b"b")
            items = [source.add_item(row) for _ in range(5)]
            event = EventRow(position=1, tag=b"t" * 32, stream=items[2], type="a", at="", body=b"")
            for position in range(1, 6):
                tag = bytes([position]) * 32
                source.add_event(dataclasses.replace(event, position=position, tag=tag))
            for number in (0, 1, 4):
                source.destroy_key(keys[number])
                source.delete_item(items[number])
                source.delete_events([number + 1])
        with closing(open_store(places[into], create=True)) as target:
            with source.transaction(), target.transaction(write=True):
                copy_gallery(source, target)
            assert target.numbers() == source.numbers() == Numbers(key=5, item=5, event=5)
            assert target.keys() == source.keys()
            assert target.items() == source.items()
            assert target.events() == source.events()
            with target.transaction(write=True):
                assert target.add_key(secrets.token_bytes(16), b"k" * 60) == 6
                assert target.add_item(row) == 6
            assert _problems(target) == []


def _problems(store: CopiedStore) -> list[str]:
    """Without the keys that are nobody's here."""
    return [problem for problem in store.check() if "of nobody, and not destroyed" not in problem]
