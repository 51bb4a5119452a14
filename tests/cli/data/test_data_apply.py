"""`vultus data apply` and `undo`: from a manifest to a clean set, and back."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vultus.data import open_dataset

Run = Callable[..., Any]


def snapshot(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_apply_and_undo(run: Run, audited: Path, crops: Path) -> None:
    before = snapshot(crops)
    planned = run("data", "apply", audited, "--dry-run", "--json").json
    assert (planned["dropped"], planned["moved"]) == (2, 1)
    assert snapshot(crops) == before
    done = run("data", "apply", audited, "--json").json
    assert (done["dropped"], done["moved"]) == (2, 1)
    after = snapshot(crops)
    assert "p2/wrong.png" in after
    assert not {"p1/wrong.png", "p0/9.png", "p3/cut.png"} & set(after)
    again = run("data", "apply", audited)
    assert again.code == 2
    assert "applied already" in again.err
    undone = run("data", "undo", done["undo"])
    assert undone.code == 0
    assert "3 files are where they were" in undone.out
    assert snapshot(crops) == before


def test_apply_only_some_kinds_to_a_copy(run: Run, audited: Path, crops: Path) -> None:
    before = snapshot(crops)
    target = crops.with_name("clean.zip")
    done = run(
        "data", "apply", audited, "--only", "unreadable", "--only", "duplicate", "--to", target
    )
    assert done.code == 0, done.err
    assert "images 37" in done.out
    assert len(open_dataset(target)) == 37
    assert snapshot(crops) == before
    assert "must be one of" in run("data", "apply", audited, "--only", "ugly").err


def test_a_hostile_manifest_is_one_line_on_stderr(run: Run, audited: Path, crops: Path) -> None:
    text = audited.read_text(encoding="utf-8")
    before = snapshot(crops.parent)
    for old, new in (
        ("p1/wrong.png", "../../etc/passwd"),
        ("p1/wrong.png", "p1/\\t.png"),
        ("p1/wrong.png", "p1/\\ud800.png"),
        ('"to": "p2"', '"to": "../p2"'),
    ):
        audited.write_text(text.replace(old, new), encoding="utf-8")
        outcome = run("data", "apply", audited)
        assert outcome.code == 2
        assert outcome.err.startswith("error:")
        assert outcome.err.count("\n") == 1
    audited.write_text(text, encoding="utf-8")
    assert snapshot(crops.parent) == before
