"""A gallery with a key in a database starts from its sealed snapshot."""

import logging
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.gallery import Gallery
from vultus.gallery.searching import snapshot, templates
from vultus.gallery.searching.templates import Templates, snapshot_path
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.rekeying import rekey

Photos = Callable[..., Embeddings]
KEY = MasterKey(bytes(range(32)))


@pytest.fixture
def url(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(templates, "WORTH_A_FILE", 4)
    monkeypatch.setattr(snapshot, "ROWS", 8)
    return f"{postgres_url}/g{secrets.token_hex(6)}"


@pytest.fixture
def file(url: str, space: EmbeddingSpace, photos_of: Photos) -> Path:
    """The snapshot of a gallery of 20 people."""
    with Gallery.open(url, space=space, key=KEY) as gallery:
        with gallery.opened.store.transaction(write=True):
            for person in range(20):
                gallery.enroll(f"person {person}", photos_of(person))
        gallery.search(photos_of(0))
    path = snapshot_path(url)
    assert path is not None
    assert path.exists()
    return path


@pytest.fixture
def from_store(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes when all templates are opened."""
    opened: list[int] = []
    read = Templates.read

    def noted(self: Templates) -> object:
        opened.append(1)
        return read(self)

    monkeypatch.setattr(Templates, "read", noted)
    return opened


def best(gallery: Gallery, photo: Embeddings) -> str:
    return gallery.search(photo, rank=1)[0][0].identity


def test_it_starts_from_the_snapshot_and_the_tail_of_the_log(
    url: str, file: Path, photos_of: Photos, from_store: list[int]
) -> None:
    with Gallery.open(url, key=KEY) as gallery:
        gallery.opened  # noqa: B018 -- nothing was searched yet
        gallery.enroll("late", photos_of(50))
        gallery.remove("person 3")
        gallery.rename("person 4", "renamed")
    with Gallery.open(url, key=KEY) as gallery:
        assert best(gallery, photos_of(50)) == "late"
        assert best(gallery, photos_of(4)) == "renamed"
        assert best(gallery, photos_of(7)) == "person 7"
        names = {one.identity for one in gallery.search(photos_of(3), rank=30)[0]}
        assert "person 3" not in names
        assert len(names) == 20
        assert gallery.searched_position == gallery.position
    assert from_store == []


def test_who_is_erased_is_overwritten_in_it(url: str, file: Path, photos_of: Photos) -> None:
    def ids() -> set[int]:
        with Gallery.open(url, key=KEY) as gallery:
            cipher = gallery.opened.vault.snapshot_cipher()
            owner = gallery.opened.vault.gallery_id
        _, rows = snapshot.read_snapshot(file, cipher, owner=owner)
        return {number for page, _ in rows for number in page.tolist()}

    assert ids() == set(range(1, 21))
    with Gallery.open(url, key=KEY) as gallery:  # one that never searched
        gallery.remove("person 3")
        assert ids() == set(range(1, 21)) - {4}
    with Gallery.open(url, key=KEY) as gallery:
        gallery.search(photos_of(0))
        gallery.remove("person 5")
        assert ids() == set(range(1, 21)) - {4, 6}


@pytest.mark.parametrize("harm", ["damaged", "empty", "of another version", "ahead"])
def test_one_of_no_use_is_made_again_and_that_is_said(
    url: str,
    file: Path,
    photos_of: Photos,
    from_store: list[int],
    caplog: pytest.LogCaptureFixture,
    harm: str,
) -> None:
    whole = file.read_bytes()
    changed = {
        "damaged": whole[:-30] + bytes([whole[-30] ^ 1]) + whole[-29:],
        "empty": b"",
        "of another version": whole[:8] + b"\2" + whole[9:],
        "ahead": whole[:20] + b"\xff" + whole[21:],
    }
    file.write_bytes(changed[harm])
    with Gallery.open(url, key=KEY) as gallery, caplog.at_level(logging.WARNING):
        assert best(gallery, photos_of(7)) == "person 7"
    assert "the snapshot of the gallery is made again" in caplog.text
    assert from_store == [1]
    with Gallery.open(url, key=KEY) as gallery:
        assert best(gallery, photos_of(8)) == "person 8"
    assert from_store == [1]  # from the one that was made


def test_one_that_is_older_than_the_log_reaches_is_made_again(
    url: str, file: Path, photos_of: Photos, from_store: list[int]
) -> None:
    with Gallery.open(url, key=KEY) as gallery:
        store = gallery.opened.store
        gallery.rename("person 1", "one")
        with store.transaction(write=True):
            store.prune_changes(store.position())
        assert best(gallery, photos_of(1)) == "one"
    assert from_store == [1]


def test_with_a_new_key_nothing_of_the_old_one_is_left(
    url: str, file: Path, photos_of: Photos
) -> None:
    new = MasterKey.new()
    old = file.read_bytes()
    rekey(url, new, key=KEY)
    with Gallery.open(url, key=new) as gallery:
        assert best(gallery, photos_of(2)) == "person 2"
    assert not file.exists() or file.read_bytes() != old
