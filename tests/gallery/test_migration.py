import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.format_1 import WHEN, write_format_1
from tests.gallery.rounds import rounds

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError, GalleryKeyError
from vultus.gallery import migration
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey
from vultus.matching.fusion import fuse

PhotosOf = Callable[..., Embeddings]


@pytest.fixture
def people(space: EmbeddingSpace, photos_of: PhotosOf) -> dict[str, Embeddings]:
    graded = photos_of(3, 3)
    quality = np.array([0.2, 0.9, 0.4], np.float32)
    return {
        "Ann": photos_of(1),
        "José": photos_of(2, 2),
        "Cid": Embeddings(graded.vectors, graded.norms, space, quality),
    }


@pytest.fixture
def path(tmp_path: Path, space: EmbeddingSpace, people: dict[str, Embeddings]) -> Path:
    place = tmp_path / "people.db"
    write_format_1(place, people, space)
    return place


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def test_everything_is_taken_over(
    path: Path, space: EmbeddingSpace, people: dict[str, Embeddings]
) -> None:
    with Gallery.open(path) as gallery:
        assert gallery.space == space
        assert gallery.outlier_similarity == 0.25
        assert [(p.identity, p.n_photos, p.enrolled_at) for p in gallery.identities()] == [
            (name, len(photos), WHEN) for name, photos in people.items()
        ]
        templates = gallery.template_set()
        for row, (name, photos) in enumerate(people.items()):
            fusion = fuse(photos, identity=name, outlier_similarity=0.25)
            np.testing.assert_array_equal(templates.vectors[row], fusion.template.vector)
            member = gallery._roster.find(name)
            assert member is not None
            faces = list(gallery._roster.faces(member).values())
            np.testing.assert_array_equal([face.vector for face in faces], photos.vectors)
            assert [face.norm for face in faces] == photos.norms.tolist()
            told = None if photos.quality is None else photos.quality.tolist()
            assert [face.quality for face in faces] == (told or [None] * len(photos))
            assert [face.source for face in faces] == [f"photo {i}" for i in range(len(photos))]
        assert gallery.check() == []
        assert [entry.entry.action for entry in gallery.audit.entries()] == ["create"]


def test_no_vector_or_name_of_the_old_file_is_left(
    tmp_path: Path, path: Path, people: dict[str, Embeddings]
) -> None:
    traces = [vector.tobytes()[:32] for photos in people.values() for vector in photos.vectors]
    traces += [name.encode() for name in people]
    before = on_disk(tmp_path)
    assert all(trace in before for trace in traces)
    with Gallery.open(path):
        assert not any(trace in on_disk(tmp_path) for trace in traces)
    assert [file.name for file in tmp_path.iterdir()] == ["people.db"]
    assert not any(trace in on_disk(tmp_path) for trace in traces)


def test_the_mode_and_a_link_stay(tmp_path: Path, path: Path) -> None:
    path.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(path)
    with Gallery.open(link) as gallery:
        assert len(gallery) == 3
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_master_key_protects_it_from_then_on(path: Path) -> None:
    key = MasterKey(bytes(range(32)))
    with Gallery.open(path, key=key) as gallery:
        assert gallery.protected
    with pytest.raises(GalleryKeyError):
        Gallery.open(path)
    with Gallery.open(path, key=key) as gallery:
        assert len(gallery) == 3


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE photos SET vector = zeroblob(512)", "unit|length"),
        ("UPDATE photos SET vector = zeroblob(100)", "damaged"),
        ("UPDATE photos SET vector = 7", "damaged"),
        ("UPDATE people SET identity = ''", "1 to 200"),
        ("UPDATE meta SET value = '{}'", "description cannot be read"),
        ("DELETE FROM meta", "description cannot be read"),
    ],
)
def test_a_damaged_file_is_refused_and_stays(
    tmp_path: Path, path: Path, damage: str, message: str
) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(damage) if "people" not in damage else raw.execute(damage + " WHERE id = 1")
    before = path.read_bytes()
    with pytest.raises(GalleryError, match=message):
        Gallery.open(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["people.db"]


def test_a_file_in_use_is_refused_and_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vultus.gallery.stores.sqlite_migrations.BUSY_TIMEOUT_MS", 50)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(GalleryError, match="in use"):
            Gallery.open(path)
        raw.execute("ROLLBACK")
        assert raw.execute("SELECT count(*) FROM people").fetchone() == (3,)


def test_who_has_the_old_file_open_cannot_go_on_with_it(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        assert old.execute("SELECT count(*) FROM people").fetchone() == (3,)
        with Gallery.open(path) as gallery:
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                old.execute("INSERT INTO people VALUES (9, 'lost', 'now')")
            assert len(gallery) == 3


def test_a_failed_migration_leaves_the_old_file(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migration, "_take_over", fails)
        with pytest.raises(KeyboardInterrupt):
            Gallery.open(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["people.db"]
    with Gallery.open(path) as gallery:
        assert len(gallery) == 3


MIGRATE = """
import sys
from vultus.gallery.gallery import Gallery
print("ready", flush=True)
with Gallery.open(sys.argv[1]) as gallery:
    print(len(gallery), flush=True)
"""


def kill_rounds(folder: Path, make: Callable[[Path], None], *, times: int) -> Iterator[str]:
    """Kill a migration after a random time; gives what was there then."""
    rng = np.random.default_rng(0)
    for number in range(times):
        path = folder / f"{number}.db"
        make(path)
        before = path.read_bytes()
        command = [sys.executable, "-c", MIGRATE, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                child.wait(float(rng.uniform(0, 0.4)))
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
            told = child.stdout.read()
        old = path.read_bytes() == before
        assert not (old and told)
        with Gallery.open(path) as gallery:
            assert len(gallery) == 60
            assert gallery.check() == []
        assert [file.name for file in folder.iterdir() if str(number) in file.name] == [path.name]
        path.unlink()
        yield "old" if old else "new"


def test_a_killed_migration_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    people = {f"p{i}": photos_of(i, 2) for i in range(60)}
    told = kill_rounds(tmp_path, lambda path: write_format_1(path, people, space), times=4)
    assert len(list(told)) == 4


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_killed_migrations_leave_the_old_file_or_the_new_one(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    people = {f"p{i}": photos_of(i, 2) for i in range(60)}
    told = kill_rounds(tmp_path, lambda path: write_format_1(path, people, space), times=rounds(50))
    assert set(told) == {"old", "new"}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be nobody")
def test_a_file_that_cannot_be_replaced_says_what_to_do(tmp_path: Path, path: Path) -> None:
    for private in (tmp_path, *tmp_path.parents[:2]):
        private.chmod(0o711)
    path.chmod(0o444)
    code = (
        "import os, sys; from vultus.gallery import gallery, migration, opening\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "from vultus.core.errors import GalleryError\n"
        "try: gallery.Gallery.open(sys.argv[1])\n"
        "except GalleryError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "copy it to where it can" in told
