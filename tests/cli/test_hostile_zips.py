"""Damaged and hostile zips at the commands that take zips: what is read is used, or one line."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.core.hostile_zips import LISTS, MEMBERS, NAMES, change, write_zip

DAMAGED = "p1/0.png"
LIES = (*MEMBERS, *LISTS, "name", "twice", "cut")


def crop(person: int, photo: int) -> bytes:
    """The file of a 112 x 112 "face": people differ more than their photos."""
    coarse = np.random.default_rng(person).integers(0, 200, (8, 8, 3))
    noise = np.random.default_rng(100 * person + photo).integers(0, 55, (112, 112, 3))
    pixels = (np.kron(coarse, np.ones((14, 14, 1))) + noise).astype(np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


@pytest.fixture(scope="module")
def people() -> dict[str, bytes]:
    return {
        f"p{person}/{photo}.png": crop(person, photo) for person in range(12) for photo in (0, 1)
    }


@pytest.fixture
def hostile(tmp_path: Path, people: dict[str, bytes], request: pytest.FixtureRequest) -> Path:
    """A zip with the lie that the test is parametrised with."""
    lie: str = request.param
    path = write_zip(tmp_path / "faces.zip", people.items())
    if lie == "name":
        return write_zip(path, [*people.items(), (NAMES[0], b"x")])
    if lie == "twice":
        path.write_bytes(path.read_bytes().replace(b"p1/1.png", DAMAGED.encode()))
        return path
    if lie == "cut":
        path.write_bytes(path.read_bytes()[:-30])
        return path
    return change(path, DAMAGED, (MEMBERS | LISTS)[lie])


def check(done: Any, hostile: Path, lie: str) -> None:
    """One line for a zip that cannot be used; one member less for one that can."""
    assert "Traceback" not in done.err
    if lie in MEMBERS:
        assert done.code == 0, done.err
        return
    assert done.code == 2
    (line,) = done.err.strip().splitlines()
    assert line.startswith("error: ")
    assert str(hostile) in line


lying = pytest.mark.parametrize(
    ("hostile", "lie"), [(lie, lie) for lie in LIES], indirect=["hostile"]
)


@lying
def test_evaluate(hostile: Path, lie: str, run: Any, tiny_model: Path) -> None:
    done = run(
        "evaluate", "folder", "--root", hostile, "--aligned", "--model", tiny_model, "--json"
    )
    check(done, hostile, lie)
    if lie in MEMBERS:
        assert done.json["failures"] == 1


@lying
def test_calibrate(hostile: Path, lie: str, run: Any, tiny_model: Path, tmp_path: Path) -> None:
    arguments = ("--aligned", "--model", tiny_model, "--fmr", "0.2", "-o", tmp_path / "c.json")
    check(run("calibrate", hostile, *arguments), hostile, lie)


@lying
def test_data_info(hostile: Path, lie: str, run: Any) -> None:
    done = run("data", "info", hostile, "--json")
    check(done, hostile, lie)
    if lie in MEMBERS:
        assert DAMAGED in done.out


@lying
def test_data_convert(hostile: Path, lie: str, run: Any, tmp_path: Path) -> None:
    done = run("data", "convert", hostile, tmp_path / "out", "--max-unreadable", "0.5")
    check(done, hostile, lie)
    if lie in MEMBERS:
        assert len(list((tmp_path / "out").rglob("*.png"))) == 23


@lying
def test_data_audit(hostile: Path, lie: str, run: Any, tiny_model: Path, tmp_path: Path) -> None:
    done = run("data", "audit", hostile, "-o", tmp_path / "audit", "--model", tiny_model)
    check(done, hostile, lie)
