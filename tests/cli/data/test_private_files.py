"""Whatever a command writes about people is for its owner only, whatever the umask."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.gallery.stores.sqlite import SqliteStore
from vultus.image.io import write_image

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no modes")

Run = Callable[..., Any]


@pytest.fixture(params=[0o022, 0o000], ids=oct, autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def _too_open(root: Path) -> list[str]:
    found = [root, *root.rglob("*")]
    return [str(path) for path in found if path.stat().st_mode & 0o077 and path.name != ".lock"]


def test_photos_crops_vectors_pages_and_galleries(
    run: Run, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir(0o700)
    people = tmp_path / "people/grace"
    people.mkdir(parents=True)
    shutil.copy(original, people)
    models, limit = ("--model", tiny_model), ("--threshold", "0.5")
    commands: list[tuple[Any, ...]] = [
        ("detect", original, "--draw", out / "drawn/deep"),
        ("align", original, "-o", out / "aligned"),
        ("embed", original, "-o", out / "e.npz", *models),
        ("gallery", "enroll", out / "g.db", original, "--name", "Grace", *models),
        ("cluster", original, "-o", out / "groups", "--html", out / "c.html", *limit, *models),
        ("data", "align", people.parent, out / "crops"),
    ]
    for command in commands:
        done = run(*command)
        assert done.code == 0, done.err
    assert {path.name for path in out.iterdir()} >= {
        *("drawn", "aligned", "e.npz", "g.db", "groups", "c.html", "crops")
    }
    assert _too_open(out) == []


def test_data_sets_and_audits(run: Run, crops: Path, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(0o700)
    (crops / "p3/cut.png").unlink()
    for target in ("folder", "packed.zip", "faces.tsv"):
        assert run("data", "convert", crops, out / target).code == 0
    assert run("data", "convert", crops, out / "records", "--to", "recordio").code == 0
    audit = ("data", "audit", crops, "-o", out / "audit/deep", "--model", tiny_model)
    assert run(*audit, "--detector", "none").code == 0
    manifest = out / "audit/deep/manifest.jsonl"
    assert run("data", "apply", manifest, "--to", out / "clean").code == 0
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("p0/0.png\tp0/1.png\t1\np0/0.png\tp1/0.png\t0\n")
    assert run("data", "pairs", pairs, out / "own.bin", "--photos", crops).code == 0
    assert run("data", "pairs", out / "own.bin", out / "pairs").code == 0
    assert _too_open(out) == []


def test_a_gallery_and_its_log_from_the_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    store = SqliteStore(path, create=True)
    with store.transaction(write=True):
        store.set_meta("name", b"Grace")
    names = {"g.db", "g.db-shm", "g.db-wal"}
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == dict.fromkeys(
        names, 0o600
    )
    store.close()
    path.chmod(0o640)  # shared with a group on purpose
    SqliteStore(path).close()
    assert path.stat().st_mode & 0o777 == 0o640


def test_photos_of_one_own_are_like_any_file(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    write_image(tmp_path / "b.png", np.zeros((4, 4, 3), np.uint8), private=True)
    umask = os.umask(0)
    os.umask(umask)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a.png", "b.png")]
    assert modes == [0o666 & ~umask, 0o600]
