"""The faces of photos are kept, by what they depend on, by any number of processes."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from vultus import Recognizer
from vultus.core.faces import Image
from vultus.image.io import write_image
from vultus.pipeline import face_cache
from vultus.pipeline.face_cache import FaceCache, KnownPhoto
from vultus.pipeline.photos import AnalysedPhoto
from vultus.quality.gate import QualityGate


@pytest.fixture
def album(hopper: Image, collins: Image, rocket: Image, tmp_path: Path) -> list[Path]:
    (tmp_path / "album").mkdir()
    images = {"a.png": hopper, "b.png": collins, "c.png": rocket, "d.png": hopper[:, ::-1]}
    for name, image in images.items():
        write_image(tmp_path / "album" / name, image)
    return [tmp_path / "album" / name for name in images]


@pytest.fixture
def recognizer(tiny_model: Path, tmp_path: Path) -> Recognizer:
    made = Recognizer(embedder=tiny_model)
    made.cache = FaceCache(tmp_path / "cache")
    return made


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the photos that had to be analysed."""
    names: list[str] = []
    original = Recognizer.analyse

    def told(self: Recognizer, photos: list[Path], **more: object) -> Iterator[AnalysedPhoto]:
        names.extend(path.name for path in photos)
        return original(self, photos, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Recognizer, "analyse", told)
    return names


def same(a: KnownPhoto | AnalysedPhoto, b: KnownPhoto | AnalysedPhoto) -> bool:
    assert (a.name, a.size_hw, a.refusals) == (b.name, b.size_hw, b.refusals)
    for field in ("boxes", "landmarks", "scores"):
        np.testing.assert_array_equal(getattr(a.faces, field), getattr(b.faces, field))
    for field in ("vectors", "norms", "quality"):
        np.testing.assert_array_equal(getattr(a.embeddings, field), getattr(b.embeddings, field))
    return a.embeddings.space == b.embeddings.space


def test_what_is_known_is_what_was_analysed(
    recognizer: Recognizer, album: list[Path], analysed: list[str]
) -> None:
    whole = list(recognizer.analyse(album))
    analysed.clear()
    first = list(recognizer.known_photos(album[:2] + album[3:]))
    assert analysed == ["a.png", "b.png", "d.png"]
    second = list(recognizer.known_photos(album))
    assert analysed[3:] == ["c.png"]  # and in its place
    assert all(map(same, second, whole))
    assert all(map(same, first, [whole[0], whole[1], whole[3]]))
    assert len(second[2].faces) == 0


def test_what_changed_is_analysed_again(
    recognizer: Recognizer, album: list[Path], analysed: list[str], tiny_model: Path, collins: Image
) -> None:
    list(recognizer.known_photos(album))
    write_image(album[0], collins)
    os.utime(album[1], ns=(1, 1))
    analysed.clear()
    again = list(recognizer.known_photos(album))
    assert analysed == ["a.png", "b.png"]
    np.testing.assert_array_equal(again[0].embeddings.vectors, again[1].embeddings.vectors)
    strict = Recognizer(embedder=tiny_model, gate=QualityGate(min_inter_eye_px=500))
    strict.cache = recognizer.cache
    assert all(photo.refusals[0] for photo in strict.known_photos(album[:1]))
    assert recognizer.cache is not None
    with closing(sqlite3.connect(recognizer.cache.folder / "faces.db")) as file:
        # What was known of the earlier photo is forgotten.
        assert file.execute("SELECT count(*) FROM photos").fetchone() == (len(album) + 1,)


def test_it_is_for_its_owner_only_and_names_no_photo(
    recognizer: Recognizer, album: list[Path]
) -> None:
    list(recognizer.known_photos(album))
    assert recognizer.cache is not None
    folder = recognizer.cache.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"a.png" not in path.read_bytes()


def test_a_cache_that_cannot_be_used_is_done_without(
    recognizer: Recognizer, album: list[Path], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    expected = list(recognizer.analyse(album))
    (tmp_path / "file").write_text("in the way")
    for damage in ("no folder", "no database", "no entry"):
        cache = recognizer.cache = FaceCache(tmp_path / damage)
        if damage == "no folder":
            cache = recognizer.cache = FaceCache(tmp_path / "file" / "in")
        elif damage == "no database":
            cache.folder.mkdir()
            (cache.folder / "faces.db").write_bytes(b"something else" * 100)
        else:
            list(recognizer.known_photos(album))
            with closing(sqlite3.connect(cache.folder / "faces.db")) as file:
                file.execute("UPDATE photos SET faces = substr(faces, 1, 300)")
                file.commit()
        caplog.clear()
        for _ in range(2):
            assert all(map(same, recognizer.known_photos(album), expected))
        told = [record.message for record in caplog.records if "going on without" in record.message]
        assert len(told) == (0 if damage == "no entry" else 1)


def count(recognizer: Recognizer) -> int:
    assert recognizer.cache is not None
    with closing(sqlite3.connect(recognizer.cache.folder / "faces.db")) as file:
        return int(file.execute("SELECT count(*) FROM photos").fetchone()[0])


def test_photos_that_are_gone_are_forgotten_when_their_folder_is_looked_through(
    recognizer: Recognizer, album: list[Path], analysed: list[str], hopper: Image
) -> None:
    other = album[0].parent.parent / "other"
    other.mkdir()
    write_image(other / "x.png", hopper)
    list(recognizer.known_photos([*album, other / "x.png"]))
    album[0].unlink()
    (other / "x.png").unlink()
    analysed.clear()
    list(recognizer.known_photos(album[1:2]))
    # Those beside it that nobody asked for are still there; the other folder was not looked at.
    assert count(recognizer) == len(album)
    list(recognizer.known_photos(album[1:]))
    assert analysed == []


def test_what_nobody_asked_for_in_months_is_forgotten(
    recognizer: Recognizer, album: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    list(recognizer.known_photos(album[:2]))
    day = face_cache._today()
    monkeypatch.setattr(face_cache, "_today", lambda: day + 60)
    list(recognizer.known_photos(album[:1]))
    monkeypatch.setattr(face_cache, "_today", lambda: day + 120)
    list(recognizer.known_photos([]))
    assert count(recognizer) == 1


def test_a_cache_of_an_earlier_version_begins_anew(
    recognizer: Recognizer, album: list[Path], analysed: list[str]
) -> None:
    assert recognizer.cache is not None
    recognizer.cache.folder.mkdir()
    with closing(sqlite3.connect(recognizer.cache.folder / "faces.db")) as file:
        file.execute("CREATE TABLE photos (path TEXT, setting TEXT, size, mtime_ns, faces BLOB)")
    for _ in range(2):
        list(recognizer.known_photos(album[:1]))
    assert analysed == ["a.png"]


WRITER = """
import sys
from pathlib import Path
import numpy as np
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.faces import Faces
from vultus.pipeline import face_cache
from vultus.pipeline.face_cache import FaceCache, FileState, KnownPhoto
space = EmbeddingSpace("m", "0" * 64, "p", 2)
cache = FaceCache(sys.argv[1])
photo = KnownPhoto("x", (1, 1), Faces.empty(), (), Embeddings.empty(space))
for number in range(100):
    cache.keep([(FileState(f"{sys.argv[2]} {number}", 1, 1), photo)], setting="s")
"""


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "cache")]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with closing(sqlite3.connect(tmp_path / "cache" / "faces.db")) as file:
        assert file.execute("SELECT count(*) FROM photos").fetchone() == (200,)
