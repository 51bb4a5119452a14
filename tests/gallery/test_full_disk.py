"""A disk that is full or may not be written: what was acknowledged stays, the rest is an error."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError, OutputError
from vultus.gallery.gallery import Gallery

PhotosOf = Callable[..., Embeddings]
pytestmark = pytest.mark.slow


def mount(*arguments: str) -> bool:
    try:
        return (
            subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
        )
    except FileNotFoundError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.name != "posix" or not mount("-t", "tmpfs", "-o", "size=2m", "none", str(place)):
        pytest.skip("mounting a small disk needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def enrol_until_full(gallery: Gallery, photos_of: PhotosOf) -> tuple[list[str], str]:
    names: list[str] = []
    refused = 0  # in a row: after one, SQLite's log may be brought in, which makes room
    for number in range(3000):
        try:
            gallery.enroll(f"person {number}", photos_of(number, 2))
        except GalleryError as error:
            refused += 1
            if refused == 3:
                return names, str(error)
        else:
            names.append(f"person {number}")
            refused = 0
    raise AssertionError("the disk never became full")


def names_of(gallery: Gallery) -> list[str]:
    assert gallery.check() == []
    assert list(gallery.template_set().identities) == [p.identity for p in gallery.identities()]
    return [person.identity for person in gallery.people() if person.n_photos == 2]


def test_a_full_disk_loses_nobody_and_says_so(
    disk: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path = disk / "g.db"
    with Gallery.open(path, space=space) as gallery:
        names, told = enrol_until_full(gallery, photos_of)
        assert "full" in told
        assert "\n" not in told
        assert len(names) > 5
        assert names_of(gallery) == names
    with Gallery.open(path) as gallery:
        assert names_of(gallery) == names
        assert mount("-o", "remount,size=8m", str(disk))
        gallery.enroll("late", photos_of(5000, 2))
        assert names_of(gallery) == [*names, "late"]


def test_a_backup_that_finds_no_room_leaves_nothing_and_says_whose_disk_it_is(
    disk: Path, tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    backup = disk / "backup.db"
    fill_disk(disk, spare=65536)
    with Gallery.open(tmp_path / "g.db", space=space) as gallery:
        for number in range(5):
            gallery.enroll(f"person {number}", photos_of(number, 2))
        with pytest.raises(OutputError, match=f"{backup} was not written: its disk is full"):
            gallery.backup(backup)
        assert len(names_of(gallery)) == 5
    assert [file.name for file in disk.iterdir()] == ["filler"]


def fill_disk(disk: Path, *, spare: int) -> Path:
    """A file that leaves so many bytes."""
    filler = disk / "filler"
    status = os.statvfs(disk)
    filler.write_bytes(bytes(status.f_bavail * status.f_frsize - spare))
    return filler


def test_an_erasure_on_a_full_disk_is_done_or_an_error(
    disk: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path = disk / "g.db"
    names = [f"person {number}" for number in range(40)]
    with Gallery.open(path, space=space) as gallery, gallery.opened.store.transaction(write=True):
        for number, name in enumerate(names):
            gallery.enroll(name, photos_of(number, 2))
    done, told = [], []
    for number, spare in enumerate([0, 4096, 32768, 65536, 98304, 131072, 196608, 400_000]):
        filler = fill_disk(disk, spare=spare)
        gone = f"person {number}"
        try:
            with Gallery.open(path) as gallery:
                gallery.remove(gone)
            done.append(True)
        except GalleryError as error:
            told.append(str(error))
            done.append(False)
        filler.unlink()
        with Gallery.open(path) as gallery:
            # One that was noted and found no room is done once there is some.
            left = names_of(gallery)
            assert not (done[-1] and gone in left)
            if gone in left:
                gallery.remove(gone)
            names.remove(gone)
            assert names_of(gallery) == names
    assert done[-1]
    assert not done[0]
    assert told
    assert not any("\n" in line for line in told)


def test_a_disk_that_may_only_be_read_answers_and_refuses_changes(
    disk: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path = disk / "g.db"
    with Gallery.open(path, space=space) as gallery:
        for number in range(10):
            gallery.enroll(f"person {number}", photos_of(number, 2))
        expected = gallery.search(photos_of(3, 1, first=2), rank=10)
    assert mount("-o", "remount,ro", str(disk))
    before = path.read_bytes()
    with Gallery.open(path) as gallery:
        assert len(names_of(gallery)) == 10
        assert gallery.search(photos_of(3, 1, first=2), rank=10) == expected
        for change in (
            lambda: gallery.enroll("late", photos_of(50)),
            lambda: gallery.remove("person 3"),
            lambda: gallery.rename("person 3", "other"),
        ):
            with pytest.raises(GalleryError, match="cannot be written"):
                change()
        assert len(gallery) == 10
    assert path.read_bytes() == before
    assert [file.name for file in disk.iterdir()] == ["g.db"]
