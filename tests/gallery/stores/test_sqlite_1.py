import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.gallery.gallery import Gallery
from vultus.gallery.stores import sqlite_1 as sqlite_store
from vultus.gallery.stores.sqlite_1 import PhotoRow, SqliteStore

PhotosOf = Callable[..., Embeddings]

ENROLLER = """
import sys
import numpy as np
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.gallery import Gallery

space = EmbeddingSpace("toy", "0" * 64, "none", 128)
with Gallery.open(sys.argv[1], space=space) as gallery:
    for i in range(int(sys.argv[2]), 10**6):
        raw = np.random.default_rng([i, 7]).standard_normal((2, 128)) * 0.3
        raw += np.random.default_rng([i]).standard_normal(128)
        gallery.enroll(f"person {i}", Embeddings.from_raw(raw, space))
        print(i, flush=True)
"""


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def traces(vectors: list[bytes], disk: bytes) -> int:
    """How many vectors have a piece of 64 bytes left on disk (one of every 128 is looked for)."""
    return sum(
        any(vector[i : i + 64] in disk for i in range(0, len(vector), 128)) for vector in vectors
    )


def photo(rng: np.random.Generator, dim: int = 128) -> PhotoRow:
    return PhotoRow(rng.standard_normal(dim).astype("<f4").tobytes(), 1.0, None, None)


def kill_rounds(path: Path, rounds: int) -> None:
    acknowledged = -1
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        child = subprocess.Popen(
            [sys.executable, "-c", ENROLLER, str(path), str(acknowledged + 1)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        with child.stdout as out:
            for _ in range(int(rng.integers(2, 20))):
                acknowledged = int(out.readline())
            child.send_signal(signal.SIGKILL)
            acknowledged = max([acknowledged, *map(int, out.read().split())])
        child.wait()
        with Gallery.open(path) as gallery:
            people = [(person.identity, person.n_photos) for person in gallery.identities()]
            gallery.template_set()
        # Each is there whole; the one being enrolled when the kill came may be there as well.
        complete = [(f"person {i}", 2) for i in range(len(people))]
        assert people == complete
        assert acknowledged < len(people) <= acknowledged + 2
        acknowledged = len(people) - 1


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "g.db", 3)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_in_many_rounds(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "g.db", 40)


@pytest.mark.parametrize("dim", [128, 512])
def test_nothing_erased_stays_on_disk(tmp_path: Path, dim: int) -> None:
    # With this seed and 128 dimensions, SQLite 3.40 leaves a vector in a gap between rows when
    # only secure_delete is on.
    rng = np.random.default_rng(3)
    store = SqliteStore(tmp_path / "g.db", meta={"a": "b"})
    vectors: dict[str, list[bytes]] = {}
    with store.transaction(write=True):
        for _ in range(400):  # interleaved, so that erasing moves rows between pages
            name, row = f"person {rng.integers(40):02d}", photo(rng, dim)
            vectors.setdefault(name, []).append(row.vector)
            store.add(name, [row], when="now")
    assert traces(list(chain(*vectors.values())), bytes_on_disk(tmp_path)) == 400
    gone: list[bytes] = []
    for name in rng.permutation(sorted(vectors))[:35]:
        assert store.erase(name)
        gone += vectors[name]
        disk = bytes_on_disk(tmp_path)
        assert traces(vectors.pop(name), disk) == 0
        assert name.encode() not in disk
    assert traces(gone, disk) == 0
    left = list(chain(*vectors.values()))
    assert traces(left, disk) == len(left)
    assert [file.name for file in tmp_path.iterdir()] == ["g.db"]
    store.close()


def test_an_interrupted_erasure_is_finished_by_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rng = tmp_path / "g.db", np.random.default_rng(1)
    store = SqliteStore(path, meta={"a": "b"})
    with store.transaction(write=True):
        store.add("Ann", [photo(rng) for _ in range(50)], when="now")
    size = path.stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "_sweep", lambda self: None)
        store.erase("Ann")
    store.close()
    assert path.stat().st_size == size
    reopened = SqliteStore(path)
    assert path.stat().st_size < size
    assert reopened.meta() == {"a": "b"}
    reopened.close()


def test_a_failed_change_leaves_nothing_behind(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(tmp_path / "g.db", space=space) as gallery:
        store = gallery._store

        def interrupted() -> None:
            with store.transaction(write=True):
                store.add("Ann", [photo(np.random.default_rng(0))], when="now")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert gallery.identities() == []
        gallery.enroll("Bob", photos_of(1))
        assert len(gallery) == 1


def test_a_missing_file_is_not_made_without_a_space(tmp_path: Path, space: EmbeddingSpace) -> None:
    with pytest.raises(GalleryError, match=r"there is no gallery at .*typo\.db"):
        Gallery.open(tmp_path / "typo.db")
    with pytest.raises(GalleryError, match="make it first"):
        Gallery.open(tmp_path / "nowhere" / "g.db", space=space)
    with pytest.raises(GalleryError, match="not a file"):
        Gallery.open(tmp_path, space=space)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_becomes_a_gallery(tmp_path: Path, space: EmbeddingSpace) -> None:
    path = tmp_path / "g.db"
    path.touch()  # what a process killed while making one leaves
    with pytest.raises(GalleryError, match="there is no gallery"):
        Gallery.open(path)
    with Gallery.open(path, space=space) as gallery:
        assert len(gallery) == 0


def test_a_path_with_odd_characters_works(tmp_path: Path, space: EmbeddingSpace) -> None:
    path = tmp_path / "a?mode=ro&b#c %20é.db"
    Gallery.open(path, space=space).close()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def foreign_sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "make",
    [
        foreign_sqlite,
        lambda path: path.write_text("Dear diary, " * 500),
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"\x07" * 5000),
        lambda path: path.write_bytes(b"x"),
    ],
    ids=["another SQLite file", "text", "garbage behind the header", "one byte"],
)
def test_a_foreign_file_is_left_as_it_is(
    tmp_path: Path, space: EmbeddingSpace, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "g.db"
    make(path)
    before = path.read_bytes()
    for wanted in (None, space):
        with pytest.raises(GalleryError, match=r"g\.db (is not a Vultus gallery|is damaged)"):
            Gallery.open(path, space=wanted)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["g.db"]


def test_a_damaged_gallery_is_reported_and_kept(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path = tmp_path / "g.db"
    with Gallery.open(path, space=space) as gallery:
        for person in range(40):
            gallery.enroll(f"person {person}", photos_of(person, 3))
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:4096] + os.urandom(len(whole) - 4096)):
        path.write_bytes(damaged)
        with pytest.raises(GalleryError, match=r"damaged|cannot be used"), Gallery.open(path) as g:
            g.template_set()
        assert path.read_bytes() == damaged


def test_a_newer_format_is_refused(tmp_path: Path, space: EmbeddingSpace) -> None:
    path = tmp_path / "g.db"
    Gallery.open(path, space=space).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 2")
    raw.close()
    with pytest.raises(GalleryError, match="format 2, this Vultus reads 1"):
        Gallery.open(path)


def test_a_file_in_use_says_so(
    tmp_path: Path,
    space: EmbeddingSpace,
    photos_of: PhotosOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "g.db"
    settings = [s for s in sqlite_store._SETTINGS if "busy_timeout" not in s]
    monkeypatch.setattr(sqlite_store, "_SETTINGS", (*settings, "PRAGMA busy_timeout = 50"))
    with Gallery.open(path, space=space) as gallery, Gallery.open(path) as other:
        with (
            other._store.transaction(write=True),
            pytest.raises(GalleryError, match="in use by another process"),
        ):
            gallery.enroll("Ann", photos_of(1))
        assert gallery.enroll("Ann", photos_of(1)).added == 1
        assert len(other) == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_may_not_be_written_can_be_read(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path = tmp_path / "g.db"
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(1))
    path.chmod(stat.S_IRUSR)
    with Gallery.open(path) as gallery:
        assert len(gallery.template_set()) == 1
        with pytest.raises(GalleryError, match="check the permissions"):
            gallery.enroll("Bob", photos_of(2))


def test_a_closed_gallery_says_so(tmp_path: Path, space: EmbeddingSpace) -> None:
    gallery = Gallery.open(tmp_path / "g.db", space=space)
    gallery.close()
    gallery.close()
    with pytest.raises(GalleryError, match="closed"):
        gallery.identities()


def test_every_promise_about_the_disk_is_switched_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "g.db", meta={})
    wanted = {"secure_delete": 1, "synchronous": 3, "foreign_keys": 1, "busy_timeout": 10_000}
    assert {name: store._pragma(name) for name in wanted} == wanted
    store.close()
