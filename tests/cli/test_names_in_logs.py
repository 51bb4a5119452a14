"""No name of a person or photo is in the log, whatever is run; who runs it is told by name."""

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PilImage

Run = Callable[..., Any]
MARK = "Zyxmark"
LAST = "the number told last"
EILEEN, GRACE = f"Eileen {MARK}", f"Grace {MARK}"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    for name in (None, "vultus"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.fixture
def people(photos: Path, tmp_path: Path) -> Path:
    """Two people, whose names and photos are marked; some of these cannot be used, or hardly."""
    root = tmp_path / "people"
    for given, name in (("Eileen Collins", EILEEN), ("Grace Hopper", GRACE)):
        (root / name).mkdir(parents=True)
        for number, photo in enumerate(sorted((photos / given).iterdir())[:2]):
            shutil.copy(photo, root / name / f"{MARK}-{number}.jpg")
    folder = root / GRACE
    whole = (folder / f"{MARK}-0.jpg").read_bytes()
    (folder / f"{MARK}-endless.jpg").write_bytes(whole[:-2])
    with PilImage.open(folder / f"{MARK}-0.jpg") as picture:
        picture.save(folder / f"{MARK}-exif.png", exif=b"Exif\0\0no TIFF")
    for kind, special in (("nobody", "nobody.jpg"), ("both", "both-together.jpg")):
        shutil.copy(photos / special, folder / f"{MARK}-{kind}.jpg")
    (folder / f"{MARK}-broken.jpg").write_bytes(b"no image")
    (folder / f"{MARK}.mov").touch()
    rows = [f"{path.relative_to(root)},a" for path in sorted(root.rglob("*.jpg"))]
    (tmp_path / f"{MARK}.csv").write_text("\n".join(["file,kind", *rows]), encoding="utf-8")
    return root


def gallery_commands(people: Path, folder: Path) -> list[tuple[Any, ...]]:
    file, grace, stranger = folder / "g.db", people / GRACE, people / EILEEN / f"{MARK}-0.jpg"
    return [
        ("gallery", "enroll", file, *sorted(grace.iterdir()), "--name", GRACE),
        ("gallery", "review", "allow", file),
        ("gallery", "identify", file, stranger, grace, "--threshold", "0.9"),
        ("gallery", "review", "assign", file, f"New {MARK}", 1),
        ("gallery", "enroll", file, stranger, "--name", f"Twin of {MARK}"),
        ("gallery", "import", file, people),
        ("gallery", "merge", file, GRACE, f"New {MARK}"),
        ("gallery", "undo", file, LAST),
        ("gallery", "rename", file, GRACE, f"Other {MARK}"),
        ("gallery", "rename", file, f"Nobody {MARK}", f"Other {MARK}"),
        ("gallery", "export", file, f"New {MARK}", folder / "all.zip"),
        ("gallery", "erase", file, f"New {MARK}"),
        ("gallery", "check", file),
    ]


def photo_commands(people: Path, folder: Path) -> list[tuple[Any, ...]]:
    one, labels = people / GRACE / f"{MARK}-0.jpg", folder / f"{MARK}.csv"
    return [
        ("embed", people, "-o", folder / "faces.npz"),
        ("find", one, people, "--threshold", "0.7"),
        ("identify", one, "--gallery", people, "--threshold", "0.7"),
        ("evaluate", "folder", "--root", people),
        ("calibrate", people),
        (
            *("evaluate", "groups", "--labels", labels, "--root", people, "--by", "kind"),
            *("--threshold", "0.9", "--draws", 5),
        ),
        ("data", "info", people),
    ]


def takes_model(command: tuple[Any, ...]) -> bool:
    return command[0] not in {"gallery", "data"} or command[1] in {"enroll", "import", "identify"}


@pytest.mark.parametrize("commands", [gallery_commands, photo_commands])
def test_no_name_is_in_the_log(
    commands: Callable[[Path, Path], list[tuple[Any, ...]]],
    run: Run,
    people: Path,
    tiny_model: Path,
    tmp_path: Path,
    logged: pytest.LogCaptureFixture,
) -> None:
    said, refused = "", []
    for command in commands(people, tmp_path):
        number = re.findall("knows it as ([0-9]+)", said)[-1:]
        words = [number[0] if word == LAST else word for word in command]
        done = run(*words, *(("--model", tiny_model) if takes_model(command) else ()))
        said += done.out + done.err
        refused += [command[:2]] * (done.code not in (0, 1))
    # Nobody's rename, somebody's twin, two people to calibrate on.
    assert refused == (
        [("gallery", "enroll"), ("gallery", "rename")]
        if commands is gallery_commands
        else [("calibrate", people)]
    )
    ours = [record for record in logged.records if record.name.startswith("vultus")]
    told = {record.getMessage().split(":")[0] for record in ours}
    assert {
        "EXIF of an image ignored",
        "an image lacks its end, and all of its pixels are there",
    } <= told
    assert f"{MARK}-endless.jpg lacks its end" in said
    assert f"{MARK}-broken.jpg" in said
    assert [record for record in logged.records if MARK in str(vars(record))] == []
