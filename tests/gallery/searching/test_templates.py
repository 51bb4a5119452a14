"""Templates and their file: found is what the store holds, whatever happened to the file."""

import logging
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryDamagedError
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.searching import templates as module
from vultus.gallery.searching.templates import Templates, index_path
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.sqlite import SqliteStore
from vultus.search.exact import search
from vultus.search.index_file import IndexFile, Stamp
from vultus.search.index_writer import write_index

PhotosOf = Callable[..., Embeddings]


@pytest.fixture(autouse=True)
def small_galleries_have_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH_A_FILE", 5)
    monkeypatch.setattr(module, "_ANEW_AFTER", 5)


@pytest.fixture
def path(tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> Path:
    """A gallery of 30 people, with the file of its index."""
    path = tmp_path / "people.db"
    with Gallery.open(path, space=space) as gallery:
        for number in range(30):
            gallery.enroll(f"p{number}", photos_of(number, 2))
        gallery.search(photos_of(0))
    return path


@pytest.fixture
def opened_templates(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many templates were opened one by one or in pages."""
    count: list[int] = []
    pages, one = SqliteStore.templates, SqliteStore.template

    def counted_pages(self: SqliteStore, **named: int):  # type: ignore[no-untyped-def]
        rows = pages(self, **named)
        count.extend(row.person_id for row in rows)
        return rows

    def counted_one(self: SqliteStore, person_id: int):  # type: ignore[no-untyped-def]
        count.append(person_id)
        return one(self, person_id)

    monkeypatch.setattr(SqliteStore, "templates", counted_pages)
    monkeypatch.setattr(SqliteStore, "template", counted_one)
    return count


def check(gallery: Gallery, probe: Embeddings) -> None:
    for rank in (1, 3, 100):
        expected = search(probe, gallery.template_set(), rank=rank)
        assert gallery.search(probe, rank=rank) == expected


def test_a_gallery_is_opened_by_its_file(
    path: Path, photos_of: PhotosOf, opened_templates: list[int]
) -> None:
    file = index_path(path)
    assert file.name == "people.db-index"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with Gallery.open(path) as gallery:
        assert gallery.search(photos_of(7), rank=1)[0][0].identity == "p7"
        assert not opened_templates
        gallery.enroll("new", photos_of(77))
        opened_templates.clear()
        assert gallery.search(photos_of(77), rank=1)[0][0].identity == "new"
        assert len(opened_templates) == 1
    assert IndexFile(file).stamp.position < SqliteStore(path).position()  # one is not worth it
    opened_templates.clear()
    with Gallery.open(path) as gallery:
        assert gallery.search(photos_of(77), rank=1)[0][0].identity == "new"
        assert len(opened_templates) == 1
        check(gallery, photos_of(3, 4))


def test_few_people_have_no_file(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(tmp_path / "few.db", space=space) as gallery:
        for number in range(4):
            gallery.enroll(f"p{number}", photos_of(number))
        gallery.search(photos_of(0))
    assert not index_path(tmp_path / "few.db").exists()


def test_with_a_master_key_nothing_is_written(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    path, key = tmp_path / "sealed.db", MasterKey(bytes(range(32)))
    with Gallery.open(path, space=space, key=key) as gallery:
        for number in range(9):
            gallery.enroll(f"p{number}", photos_of(number))
        gallery.search(photos_of(0))
        held, vault = gallery._searcher._templates._held, gallery._opened.vault
        assert held is not None
        mark = held.sum.to_bytes(8, "big")  # as it was written before there was a key
        held.index.save(index_path(path), Stamp(vault.gallery_id, held.position, mark))
    with Gallery.open(path, key=key) as gallery:
        check(gallery, photos_of(3, 2))
    assert not index_path(path).exists()


def test_many_changes_by_several_are_followed(path: Path, photos_of: PhotosOf) -> None:
    rng = np.random.default_rng(0)
    galleries = [Gallery.open(path) for _ in range(3)]
    here = {f"p{number}": number for number in range(30)}
    probe = Embeddings.concatenate([photos_of(number) for number in range(0, 60, 7)])
    for step in range(60):
        gallery = galleries[int(rng.integers(3))]
        name = str(rng.choice(sorted(here)))
        match int(rng.integers(4)):
            case 0:
                here[f"q{step}"] = 100 + step
                details = PersonDetails(groups=["staff"] if step % 2 else [])
                gallery.enroll(f"q{step}", photos_of(100 + step, 2), details=details)
            case 1:
                gallery.enroll(name, photos_of(here[name], 1, first=step + 5))
            case 2:
                gallery.remove(name)
                del here[name]
            case _:
                number = int(rng.integers(3))
                galleries[number].close()
                galleries[number] = Gallery.open(path)
        check(galleries[int(rng.integers(3))], probe)
        staff = {name for name in here if name[0] == "q" and int(name[1:]) % 2}
        found = galleries[0].search(probe, rank=100, groups=["staff"])
        assert {candidate.identity for row in found for candidate in row} == staff
    for gallery in galleries:
        gallery.close()


def template_bytes(gallery: Gallery, name: str) -> bytes:
    people = gallery.template_set()
    return bytes(people.vectors[people.identities.index(name)])


def test_who_is_erased_is_overwritten_in_the_file(
    path: Path, photos_of: PhotosOf, opened_templates: list[int]
) -> None:
    file = index_path(path)
    with Gallery.open(path) as gallery:
        secrets = {name: template_bytes(gallery, name) for name in ("p3", "p4", "p5")}
    assert all(secret in file.read_bytes() for secret in secrets.values())
    inode = file.stat().st_ino
    opened_templates.clear()
    with Gallery.open(path) as gallery:  # nothing was searched: the file only is opened
        gallery.remove("p3")
        assert secrets["p3"] not in file.read_bytes()
    assert file.stat().st_ino == inode
    assert len(opened_templates) < 5  # erasing takes no longer with more people
    with Gallery.open(path) as gallery, Gallery.open(path) as other:
        gallery.search(photos_of(0))
        other.search(photos_of(0))
        with Gallery.open(path) as third:
            for number in range(200, 230):
                third.enroll(f"p{number}", photos_of(number))
            third.search(photos_of(0))
        assert file.stat().st_ino != inode  # put in the place of the file that the others use
        other.enroll("p4", photos_of(4, 1, first=9))
        gallery.remove("p4")
        assert secrets["p4"] not in file.read_bytes()
        gallery.remove("p5")
        check(other, photos_of(4, 2))
    assert not any(secret in file.read_bytes() for name, secret in secrets.items())
    with Gallery.open(path) as gallery:
        check(gallery, photos_of(5, 2))


def test_an_erasure_that_the_file_missed_is_done_when_it_is_opened(
    path: Path, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gallery.open(path) as gallery:
        secret = template_bytes(gallery, "p3")
        monkeypatch.setattr(Templates, "refresh", lambda self, load=True: frozenset())  # killed
        gallery.remove("p3")
        monkeypatch.undo()
    assert secret in index_path(path).read_bytes()
    with Gallery.open(path) as gallery:
        found = gallery.search(photos_of(3), rank=100)[0]
    assert "p3" not in {candidate.identity for candidate in found}
    assert secret not in index_path(path).read_bytes()


@pytest.mark.parametrize("trials", [150, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_flipped_bit_never_changes_an_answer(
    path: Path, photos_of: PhotosOf, trials: int, caplog: pytest.LogCaptureFixture
) -> None:
    rng, file = np.random.default_rng(0), index_path(path)
    probe = photos_of(3, 2)
    with Gallery.open(path) as gallery:
        expected = gallery.search(probe, rank=30)
    good = file.read_bytes()
    used = len(good) - 4096  # mostly vectors: flip in the header as often
    made_again = 0
    for trial in range(trials):
        content = bytearray(good)
        bit = int(rng.integers(8 * (200 if trial % 4 == 0 else used)))
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        file.chmod(0o600)
        caplog.clear()
        with Gallery.open(path) as gallery:
            assert gallery.search(probe, rank=30) == expected
        made_again += len(caplog.records)
        assert all("made again" in record.message for record in caplog.records)
    assert made_again > trials // 5
    assert all(word not in caplog.text for word in ("p3", "p7"))


@pytest.mark.parametrize("spoil", ["foreign", "later", "other templates", "cut", "other dim"])
def test_a_file_of_no_use_is_made_again_with_one_reason(
    path: Path, photos_of: PhotosOf, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = index_path(path)
    held = IndexFile(file)
    owner, position, mark = held.stamp.owner, held.stamp.position, held.stamp.mark
    if spoil == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        stamp = {
            "foreign": Stamp(b"somebody else", position, mark),
            "later": Stamp(owner, position + 1, mark),
            "other templates": Stamp(owner, position - 1, mark),
            "other dim": Stamp(owner, position, mark),
        }[spoil]
        dim = 5 if spoil == "other dim" else 128
        write_index(file, [], n=0, dim=dim, stamp=stamp, next_id=0)
    with Gallery.open(path) as gallery:
        check(gallery, photos_of(3, 2))
    [record] = caplog.records
    assert (record.levelno, "made again" in record.message) == (logging.WARNING, True)
    assert len(IndexFile(file)) == 30


def test_an_older_copy_of_the_gallery_does_not_take_the_newer_file(
    path: Path, photos_of: PhotosOf
) -> None:
    """The same position, another history."""
    with Gallery.open(path) as gallery:
        gallery.backup(path.with_name("backup.db"))
        for number in range(50, 60):
            gallery.enroll(f"p{number}", photos_of(number))
        gallery.search(photos_of(0))
    newer = IndexFile(index_path(path)).stamp.position
    shutil.copy(path.with_name("backup.db"), path)
    with Gallery.open(path) as gallery:
        for number in range(80, 90):
            gallery.enroll(f"p{number}", photos_of(number))
        assert SqliteStore(path).position() >= newer
        check(gallery, Embeddings.concatenate([photos_of(55), photos_of(85)]))


def test_a_missing_template_is_told_not_hidden(path: Path, photos_of: PhotosOf) -> None:
    store = SqliteStore(path)
    with store.transaction(write=True):
        store.set_template(7, b"x" * len(store.template(7).body), before=b"")  # type: ignore[union-attr]
    store.close()
    with Gallery.open(path) as gallery:
        for _ in range(2):
            with pytest.raises(GalleryDamagedError):
                gallery.search(photos_of(0))


def test_whoever_reads_all_templates_is_told_that_one_is_missing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM templates WHERE person_id = 7")
    with Gallery.open(path) as gallery, pytest.raises(GalleryDamagedError, match="are missing"):
        gallery.template_set()  # though the file of the index has them all


def test_a_folder_that_cannot_be_written_keeps_no_file(
    path: Path, photos_of: PhotosOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_path(path).unlink()
    index_path(path).mkdir()
    with Gallery.open(path) as gallery:
        check(gallery, photos_of(3, 2))
        gallery.remove("p3")
        check(gallery, photos_of(3, 2))


def test_threads_search_while_people_come_and_go(path: Path, photos_of: PhotosOf) -> None:
    gallery = Gallery.open(path)
    failures: list[object] = []

    def look(number: int) -> None:
        try:
            for _ in range(30):
                [found] = gallery.search(photos_of(number), rank=3)
                if found[0].identity != f"p{number}":
                    failures.append(found)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in range(60, 70):
        gallery.enroll(f"p{number}", photos_of(number))
        gallery.remove(f"p{number - 40}")
    for thread in threads:
        thread.join()
    assert not failures
    gallery.close()


def test_the_file_is_of_use_after_people_were_erased_and_altered(
    path: Path, photos_of: PhotosOf, opened_templates: list[int]
) -> None:
    for first in (0, 10):
        with Gallery.open(path) as gallery:
            gallery.search(photos_of(0))
            gallery.remove(f"p{first}")
            gallery.rename(f"p{first + 1}", f"q{first + 1}")
            gallery.enroll(f"p{first + 2}", photos_of(first + 2, 1, first=7))
        opened_templates.clear()
        with Gallery.open(path) as gallery:
            assert gallery.search(photos_of(first))[0][0].identity != f"p{first}"
            assert gallery.search(photos_of(first + 1))[0][0].identity == f"q{first + 1}"
            assert gallery.search(photos_of(first + 2))[0][0].identity == f"p{first + 2}"
            # Who changed since the file was written, and nobody else.
            assert len(opened_templates) <= 6


def test_the_log_of_changes_is_bounded_and_who_is_behind_reads_anew(
    tmp_path: Path,
    space: EmbeddingSpace,
    photos_of: Callable[..., Embeddings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vultus.gallery.stores.sqlite_people._KEPT_CHANGES", 20)
    monkeypatch.setattr("vultus.gallery.stores.sqlite_people._PRUNE_EVERY", 5)
    path = tmp_path / "g.db"
    with Gallery.open(path, space=space) as gallery, Gallery.open(path) as behind:
        gallery.enroll("p0", photos_of(0))
        assert behind.search(photos_of(0))[0][0].identity == "p0"
        for number in range(1, 12):
            gallery.enroll(f"p{number}", photos_of(number))
        gallery.remove("p0")
        store = gallery.opened.store
        assert store.changes(0) is None
        assert len(store.changes(store.position() - 20) or []) > 0
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("SELECT count(*) FROM changes").fetchone()[0] <= 25
        found = {c.identity for c in behind.search(photos_of(11), rank=50)[0]}
        assert found == {f"p{number}" for number in range(1, 12)}
        assert gallery.check() == []
