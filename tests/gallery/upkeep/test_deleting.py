import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.gallery.gallery import Gallery
from vultus.gallery.searching import templates
from vultus.gallery.stores import sqlite_removal
from vultus.gallery.upkeep import deleting
from vultus.gallery.upkeep.deleting import delete_gallery, finish_deletions

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 64)


def filled(path: Path, people: int = 30) -> Gallery:
    gallery = Gallery.open(path, space=SPACE, actor="test")
    rng = np.random.default_rng(0)
    for number in range(people):
        vectors = rng.standard_normal(64) + 0.2 * rng.standard_normal((2, 64))
        gallery.enroll(f"Person {number}", Embeddings.from_raw(vectors, SPACE))
    return gallery


def test_nothing_of_a_deleted_gallery_is_left_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "WORTH_A_FILE", 10)
    gallery = filled(tmp_path / "people.db")
    gallery.remove("Person 3")
    gallery.warm()
    assert (tmp_path / "people.db-index").exists()
    wiped: dict[str, bytes] = {}

    def kept(path: Path) -> None:
        """What is where the file was, after it was overwritten."""
        with path.open("rb") as stream:  # the same blocks, though the name is gone by then
            sqlite_removal.wipe(path)
            wiped[path.name] = stream.read()

    monkeypatch.setattr(deleting, "wipe", kept)
    done = delete_gallery(gallery, audit_file=tmp_path / "audit.jsonl")
    assert (done.people, done.photos) == (29, 58)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["audit.jsonl", "people.db-erased"]
    assert wiped.keys() == {"people.db.gone", "people.db-index"}
    assert all(data and not any(data) for data in wiped.values())
    last = json.loads((tmp_path / "audit.jsonl").read_text().splitlines()[-1])
    assert (last["action"], last["actor"]) == ("delete gallery", "test")
    assert f"{last['position']}:{last['digest']}" == done.to_dict()["audit"]
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o077 == 0
    with pytest.raises(GalleryError):
        gallery.person("Person 1")
    # Nobody of the old one is in a new one of the name.
    with Gallery.open(tmp_path / "people.db", space=SPACE) as again:
        assert len(again) == 0


def test_what_a_check_raises_leaves_all_as_it_was(tmp_path: Path) -> None:
    gallery = filled(tmp_path / "people.db", 3)

    def refuse() -> None:
        assert len(gallery) == 3
        raise LookupError

    with pytest.raises(LookupError):
        delete_gallery(gallery, check=refuse, audit_file=tmp_path / "audit.jsonl")
    gallery.rename("Person 1", "Ada")
    gallery.close()
    with Gallery.open(tmp_path / "people.db") as again:
        assert again.check() == []
        assert [person.identity for person in again.people()] == ["Person 0", "Ada", "Person 2"]
        assert again.audit.verify().sound
        assert [entry.entry.action for entry in again.audit.entries()][-1] == "rename"


def test_what_another_process_has_open_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vultus.gallery.stores.sqlite_file.BUSY_TIMEOUT_MS", 100)
    gallery = filled(tmp_path / "people.db", 2)
    code = (
        "import sys; from vultus.gallery.gallery import Gallery\n"
        "gallery = Gallery.open(sys.argv[1]); len(gallery); print('open', flush=True)\n"
        "sys.stdin.readline()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "people.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(GalleryError, match="in use by another process"):
            delete_gallery(gallery)
        gallery.rename("Person 1", "Ada")
        other.communicate("\n")
    assert delete_gallery(gallery).people == 2
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from vultus.gallery.gallery import Gallery
from vultus.gallery.stores import sqlite_removal
from vultus.gallery.upkeep import deleting

point = int(sys.argv[2])
gallery = Gallery.open(sys.argv[1], actor="test")
steps = 0


def hook(event, arguments):
    global steps
    if event in ("os.rename", "os.remove", "open") and sys.argv[1] in str(arguments[0]):
        steps += 1
        if steps == point:
            os._exit(9)


sys.addaudithook(hook)
deleting.delete_gallery(gallery, audit_file=Path(sys.argv[1]).parent / "audit.jsonl")
print(steps)
"""


@pytest.mark.parametrize("point", range(1, 7))
def test_a_kill_leaves_a_whole_gallery_or_what_is_finished(tmp_path: Path, point: int) -> None:
    filled(tmp_path / "people.db", 3).close()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "people.db"), str(point)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 9), done.stderr
    if (tmp_path / "people.db").exists():
        with Gallery.open(tmp_path / "people.db") as gallery:
            assert len(gallery) == 3
            assert gallery.check() == []
        assert finish_deletions(tmp_path) == []
        return
    finished = finish_deletions(tmp_path)
    assert finished == (["people.db"] if done.returncode else [])
    assert {file.name for file in tmp_path.iterdir()} <= {"audit.jsonl"}
