"""How many items and events there are is bound to the gallery's key, in files of before, too."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.gallery.gallery import Gallery
from vultus.gallery.review.queue import ReviewQueue
from vultus.gallery.security.master_key import MasterKey

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 32)
KEY = MasterKey(bytes(range(32)))


def facts(path: Path) -> dict[str, bytes]:
    with closing(sqlite3.connect(path)) as raw:
        return dict(raw.execute("SELECT key, value FROM meta WHERE key LIKE 'kept%'").fetchall())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Gallery.open(tmp_path / "g.db", space=SPACE, key=KEY) as gallery:
        store = gallery.opened.store
        ReviewQueue(gallery).allow()
        assert store.check() == []
    return tmp_path / "g.db"


def unbound(path: Path, items: bytes | None) -> None:
    """As it was before counts were bound: no word of it where the people are counted."""
    with Gallery.open(path, key=KEY) as gallery:
        opened = gallery.opened
        with opened.store.transaction(write=True):
            data = b'{"people": [], "sum": 0, "without": 0}'
            opened.store.set_meta("summary", opened.vault.audit_digest(b"summary " + data) + data)
            opened.store.set_meta("kept_items", items)
            opened.store.set_meta("kept_events", None)


def test_a_new_gallery_has_bound_counts(path: Path) -> None:
    assert [len(value.split()) for value in facts(path).values()] == [3, 3]


@pytest.mark.parametrize("items", [None, b"0 0"])
def test_counts_of_before_are_bound_when_the_gallery_is_opened(
    path: Path, items: bytes | None
) -> None:
    whole = facts(path)
    unbound(path, items)
    assert facts(path) != whole
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.check() == []
    assert facts(path) == whole


def test_what_was_counted_before_is_not_counted_anew(path: Path) -> None:
    unbound(path, b"3 12")
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.check() == ["items: rows are missing, or there are more than were kept"]
    with pytest.raises(GalleryError, match="items: rows are missing"):
        Gallery.open(path, key=KEY)


def test_counts_of_another_gallery_are_no_counts_of_this_one(path: Path, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "other.db", space=SPACE, key=KEY):
        pass
    others = facts(tmp_path / "other.db")
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE meta SET value = ? WHERE key = 'kept_items'", (others["kept_items"],))
        raw.commit()
    with pytest.raises(GalleryError, match="a number of rows"):
        Gallery.open(path, key=KEY)
