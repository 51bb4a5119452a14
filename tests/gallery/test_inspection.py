"""`Gallery.check` finds what no program of ours would have written, table by table."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.gallery.full_gallery import Mutation, make_full_gallery, mutations
from tests.gallery.moving.two_models import OLD, crops_of, embed

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.gallery.gallery import Gallery
from vultus.gallery.searching import templates
from vultus.gallery.searching.templates import index_path
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.rekeying import rekey

PhotosOf = Callable[..., Embeddings]
KEY = MasterKey(bytes(range(32)))
NO_DAMAGE: dict[str, tuple[str, Callable[[Mutation], bool]]] = {
    "how much of the log of erasures is done is looked up again at every opening": (
        "meta",
        lambda made: made.row["key"] == "erasures",
    ),
    "that something is to be wiped is noted once more by whoever overwrites": (
        "meta",
        lambda made: made.row["key"] == "scrub",
    ),
    "what a destroyed key was bound to seals nothing": (
        "keys",
        lambda made: made.what.startswith("uid") and not any(made.row["wrapped"]),
    ),
    "that no tags begin so is told by no row as well": (
        "tag_sums",
        lambda made: "tags" not in made.what and not any(made.row["tags"]),
    ),
    "by the number of a face's row nothing is looked up": (
        "faces",
        lambda made: made.what.startswith("id"),
    ),
    "that nobody has so many faces is told by no row as well": (
        "sizes",
        lambda made: "n_people" not in made.what and made.row["n_people"] == 0,
    ),
    "whoever follows compares sums: see the test of those who follow": (
        "changes",
        lambda made: made.what.startswith("before"),
    ),
}
"""Why a change is no damage -> of which table, and which changes."""


def is_no_damage(made: Mutation) -> bool:
    return any(made.table == table and fits(made) for table, fits in NO_DAMAGE.values())


@pytest.fixture(scope="module", params=[None, KEY], ids=["without key", "with key"])
def full(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, MasterKey | None]:
    path = tmp_path_factory.mktemp("full") / "g.db"
    make_full_gallery(path, request.param)
    return path, request.param


def copied(path: Path, folder: Path) -> Path:
    for file in path.parent.iterdir():
        shutil.copy(file, folder / file.name)
    return folder / path.name


def found_in(path: Path, key: MasterKey | None) -> list[str]:
    try:
        with Gallery.open(path, key=key) as gallery:
            return gallery.check()
    except GalleryError as error:
        return [str(error)]


def unseen(full: tuple[Path, MasterKey | None], folder: Path, *, every: int, triggers: bool) -> str:
    """The changes that are damage and were not found."""
    missed, done = [], 0
    for number, made in enumerate(mutations(full[0])):
        if (number + triggers) % every:
            continue
        path = copied(full[0], folder)
        try:
            made.apply(path, triggers=triggers)
        except sqlite3.IntegrityError:
            continue  # SQLite does not let it be
        done += 1
        if not found_in(path, full[1]) and not is_no_damage(made):
            missed.append(str(made))
    assert done > 200 // every
    return "\n".join(missed)


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("triggers", [False, True], ids=["as damage", "as by hand"])
@pytest.mark.timeout(900)
def test_each_change_by_sql_is_found(
    full: tuple[Path, MasterKey | None], tmp_path: Path, every: int, triggers: bool
) -> None:
    assert unseen(full, tmp_path, every=every, triggers=triggers) == ""


def test_a_sound_gallery_and_its_copies_have_no_problem(
    full: tuple[Path, MasterKey | None], tmp_path: Path
) -> None:
    path = copied(full[0], tmp_path)
    assert found_in(path, full[1]) == []
    Path(f"{path}-erased").unlink()  # as of a backup that lies elsewhere
    assert found_in(path, full[1]) == []


def test_a_log_of_erasures_that_was_cut_is_told_until_it_is_put_back(
    full: tuple[Path, MasterKey | None], tmp_path: Path
) -> None:
    path = copied(full[0], tmp_path)
    log = Path(f"{path}-erased")
    whole = log.read_bytes()
    log.write_bytes(whole.splitlines(keepends=True)[0])
    for _ in range(2):
        length, lacking = found_in(path, full[1])
        assert f"was {len(whole)} bytes long" in length
        assert "lacks 1 of 2 erasures" in lacking
    log.write_bytes(whole)
    assert found_in(path, full[1]) == []


def test_a_later_erasure_does_not_hide_that_the_log_of_erasures_was_cut(
    full: tuple[Path, MasterKey | None], tmp_path: Path
) -> None:
    path = copied(full[0], tmp_path)
    log = Path(f"{path}-erased")
    whole = log.read_bytes()
    log.write_bytes(whole.splitlines(keepends=True)[0])
    with Gallery.open(path, key=full[1]) as gallery:
        for person in list(gallery.people())[:2]:
            gallery.remove(person.identity)
    assert log.stat().st_size > len(whole)
    (problem,) = found_in(path, full[1])
    assert "lacks 1 of 4 erasures that the audit log tells of" in problem
    lines = {*whole.splitlines(keepends=True), *log.read_bytes().splitlines(keepends=True)}
    log.write_bytes(b"".join(sorted(lines)))  # in whatever order
    assert found_in(path, full[1]) == []
    log.write_bytes(b"".join(sorted(lines)[1:]))
    assert len(found_in(path, full[1])) == 2


def forged(path: Path, sums: str, number: str, *, kept: str | None) -> None:
    """Take a row away as one does who knows the file: without triggers, with what counts it."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        for (name,) in raw.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        table, column, where = sums.split("/")
        (row,) = raw.execute(f"SELECT max({column}) FROM {table} WHERE {where}").fetchone()
        about = raw.execute(f"SELECT * FROM {table} WHERE {column} = ?", (row,)).fetchone()
        raw.execute(f"DELETE FROM {table} WHERE {column} = ?", (row,))
        if table == "items":
            less = "UPDATE item_sums SET n = n - 1, total = total - ? WHERE key_id = ? AND kind = ?"
            raw.execute(less, (row, about[2], ""))
            raw.execute(less, (row, 0, about[1]))
            raw.execute("DELETE FROM item_sums WHERE n = 0")
        else:
            less = (
                "UPDATE event_sums SET n = n - 1, total = total - ? WHERE stream = ? AND type = ?"
            )
            for stream, of_type in ((0, ""), (0, about[3]), (about[2], "")):
                raw.execute(
                    f"{less} AND bucket = ? >> ?",
                    (row, stream, of_type, row, 6 if not stream else 12),
                )
            raw.execute(
                "UPDATE event_tag_sums SET n = n - 1, total = total - ? WHERE prefix = ?",
                (row, about[1][:2]),
            )
            for of_sums in ("event_sums", "event_tag_sums"):
                raw.execute(f"DELETE FROM {of_sums} WHERE n = 0")
        if kept == "plain":
            (value,) = raw.execute("SELECT value FROM meta WHERE key = ?", (number,)).fetchone()
            n, total = (int(word) for word in value.split()[:2])
            value = f"{n - 1} {total - row}".encode()
            raw.execute("UPDATE meta SET value = ? WHERE key = ?", (value, number))
        elif kept == "with the digest":
            (value,) = raw.execute("SELECT value FROM meta WHERE key = ?", (number,)).fetchone()
            n, total, digest = value.decode().split()
            value = f"{int(n) - 1} {int(total) - row} {digest}".encode()
            raw.execute("UPDATE meta SET value = ? WHERE key = ?", (value, number))
        elif kept == "none":
            raw.execute("DELETE FROM meta WHERE key IN ('kept_items', 'kept_events')")
        raw.commit()


@pytest.mark.parametrize("kept", [None, "plain", "with the digest", "none"])
@pytest.mark.parametrize(
    ("sums", "number"),
    [("items/id/kind = 'review'", "kept_items"), ("events/position/true", "kept_events")],
)
def test_a_row_that_is_gone_with_all_that_counted_it_is_missed(
    full: tuple[Path, MasterKey | None], tmp_path: Path, sums: str, number: str, kept: str | None
) -> None:
    path = copied(full[0], tmp_path)
    assert found_in(path, full[1]) == []
    forged(path, sums, number, kept=kept)
    (problem,) = found_in(path, full[1])
    assert "rows are missing" in problem or "a number of rows" in problem
    with pytest.raises(GalleryError, match=r"rows are missing|a number of rows"):
        Gallery.open(path, key=full[1])


@pytest.mark.parametrize("column", ["before", "person_id"])
def test_who_follows_a_changed_log_says_so_and_gives_the_right_answer(
    full: tuple[Path, MasterKey | None],
    tmp_path: Path,
    column: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = copied(full[0], tmp_path)
    probe = embed(crops_of(1, 1, first=9), OLD)
    with Gallery.open(path, key=full[1]) as gallery:
        gallery.search(probe)
        with Gallery.open(path, key=full[1]) as other:
            other.remove("person 2")
            expected = other.search(probe, rank=9)
        with closing(sqlite3.connect(path)) as connection, connection:
            value = "x'0102030405060708'" if column == "before" else "1"
            last = "(SELECT max(position) FROM changes)"
            connection.execute(f"UPDATE changes SET {column} = {value} WHERE position = {last}")
        assert gallery.search(probe, rank=9) == expected
        assert "made again: it does not fit the gallery" in caplog.text


@pytest.mark.parametrize("spoilt", ["a vector", "another gallery's", "left with a key"])
def test_the_file_of_the_index_is_compared_with_the_store(
    tmp_path: Path,
    space: EmbeddingSpace,
    photos_of: PhotosOf,
    monkeypatch: pytest.MonkeyPatch,
    spoilt: str,
) -> None:
    monkeypatch.setattr(templates, "WORTH_A_FILE", 10)
    paths = [tmp_path / "one.db", tmp_path / "other.db"]
    for path in paths:
        with Gallery.open(path, space=space) as gallery:
            for person in range(20):
                gallery.enroll(f"p{person}", photos_of(person))
            gallery.search(photos_of(3))
        with Gallery.open(path) as gallery:  # of an earlier state than the store
            gallery.enroll("p3", photos_of(3, 1, first=5))
            gallery.remove("p4")
            assert gallery.check() == []
    index = index_path(paths[0])
    if spoilt == "a vector":
        content = index.read_bytes()
        vector = content.index(photos_of(7).vectors.tobytes()[:64])
        index.write_bytes(content[:vector] + b"\1" + content[vector + 1 :])
    elif spoilt == "another gallery's":
        shutil.copy(index_path(paths[1]), index)
    else:
        kept = index.read_bytes()
        rekey(paths[0], KEY)
        index.write_bytes(kept)
    (problem,) = found_in(paths[0], KEY if spoilt == "left with a key" else None)
    assert str(index) in problem
