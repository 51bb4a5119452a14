import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import (
    GalleryDamagedError,
    GalleryError,
    GalleryKeyError,
    InputError,
    OutputError,
)
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.restoring import restore

PhotosOf = Callable[..., Embeddings]
KEY = MasterKey(bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> Path:
    """A gallery of which a backup was made, and in which somebody was erased since."""
    path = tmp_path / "people.db"
    with Gallery.open(path, space=space, key=KEY) as gallery:
        for person in range(4):
            gallery.enroll(f"person {person}", photos_of(person, 2))
        gallery.remove("person 3")
        gallery.backup(tmp_path / "backup")
        gallery.remove("person 1")
        gallery.enroll("person 4", photos_of(4))
    return path


@pytest.fixture
def backup(path: Path) -> Path:
    return path.with_name("backup")


def names(path: Path) -> list[str]:
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.check() == []
        return [person.identity for person in gallery.identities()]


def test_a_backup_comes_back_without_who_was_erased_since(path: Path, backup: Path) -> None:
    before = backup.read_bytes()
    path.unlink()
    done = restore(backup, path, key=KEY, actor="admin")
    assert (done.people, done.erased_again) == (2, 1)
    assert names(path) == ["person 0", "person 2"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert backup.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {
        "people.db",
        "people.db-erased",
        "backup",
    }
    with Gallery.open(path, key=KEY) as gallery:
        *_, again, last = gallery.audit.entries()
        assert gallery.audit.verify([done.audit]).sound
    assert (again.entry.action, again.entry.actor) == ("erase again", "admin")
    assert last.head == done.audit
    assert last.entry.counts == {"people": 2, "erased again": 1}


def test_elsewhere_the_log_of_erasures_is_to_be_given(path: Path, backup: Path) -> None:
    log, place = Path(f"{path}-erased"), path.with_name("elsewhere.db")
    assert restore(backup, place, key=KEY).erased_again == 0  # nothing there knows of it
    place.unlink()
    assert restore(backup, place, key=KEY, erased=log).erased_again == 1
    assert names(place) == ["person 0", "person 2"]
    kept = Path(f"{place}-erased")
    assert kept.read_bytes() == log.read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    place.unlink()
    restore(backup, place, key=KEY, erased=log)
    assert kept.read_bytes() == log.read_bytes()  # nothing is noted twice


def test_two_logs_of_erasures_become_one(path: Path, backup: Path) -> None:
    log = Path(f"{path}-erased")
    lines = log.read_bytes().splitlines(keepends=True)
    kept = path.with_name("kept")
    kept.write_bytes(lines[1] + b"half a li")
    log.write_bytes(lines[0] + b"half a line of a writer that was killed")
    path.unlink()
    assert restore(backup, path, key=KEY, erased=kept).erased_again == 1
    assert log.read_bytes() == lines[0] + lines[1]


def test_a_log_as_long_as_the_one_that_the_backup_knew_is_read_all_the_same(
    path: Path, backup: Path
) -> None:
    log = Path(f"{path}-erased")
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[1])  # as long as when the backup was made, and another
    path.unlink()
    assert restore(backup, path, key=KEY).erased_again == 1


def test_nothing_is_replaced(path: Path, backup: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        restore(backup, path, key=KEY)
    assert path.read_bytes() == before
    path.unlink()
    for ending in ("-wal", "-journal"):
        log = Path(f"{path}{ending}")
        log.write_bytes(b"of the gallery that was here")
        with pytest.raises(OutputError, match="lies there; move it away"):
            restore(backup, path, key=KEY)
        log.unlink()
    assert not path.exists()


def test_a_backup_that_is_open_is_refused(path: Path, backup: Path, photos_of: PhotosOf) -> None:
    place = path.with_name("new.db")
    with Gallery.open(backup, key=KEY) as gallery:
        gallery.enroll("person 9", photos_of(9))
        with pytest.raises(OutputError, match="open or was not closed"):
            restore(backup, place, key=KEY)
    assert restore(backup, place, key=KEY).people == 4


def test_a_damaged_backup_is_told_and_brings_nothing(path: Path, backup: Path) -> None:
    place = path.with_name("new.db")
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute("UPDATE faces SET body = zeroblob(length(body)) WHERE id = 2")
        connection.commit()
    with pytest.raises(
        GalleryDamagedError, match=r"backup is damaged, nothing was restored: .*face"
    ):
        restore(backup, place, key=KEY)
    backup.write_bytes(b"no gallery")
    with pytest.raises(GalleryError, match="backup") as caught:
        restore(backup, place, key=KEY)
    assert ".part" not in str(caught.value)
    with pytest.raises(InputError, match="there is none at"):
        restore(path.with_name("none"), place, key=KEY)
    assert not [file for file in path.parent.iterdir() if "new.db" in file.name]


def test_a_wrong_key_brings_nothing(path: Path, backup: Path) -> None:
    place = path.with_name("new.db")
    for key in (None, MasterKey.new()):
        with pytest.raises(GalleryKeyError):
            restore(backup, place, key=key)
    assert not place.exists()


def test_a_log_that_cannot_be_read_brings_nothing(path: Path, backup: Path) -> None:
    place = path.with_name("new.db")
    with pytest.raises(InputError, match="none cannot be read"):
        restore(backup, place, key=KEY, erased=path.with_name("none"))
    assert not place.exists()


def test_a_gallery_that_was_copied_by_hand_comes_back_too(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    path.unlink()
    assert restore(copy, path, key=KEY).people == 3
    assert names(path) == ["person 0", "person 2", "person 4"]
