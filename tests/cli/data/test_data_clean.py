"""`vultus data align`, `audit`, `apply` and `undo`: from photos to a clean set, and back."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vultus.data import open_dataset
from vultus.image.io import write_image

Run = Callable[..., Any]


def block_face(person: int, number: int) -> Any:
    own = np.random.default_rng([person, 0]).uniform(0, 255, (8, 8, 3))
    other = np.random.default_rng([person, number + 1]).uniform(0, 255, (8, 8, 3))
    blocks = (0.75 * own + 0.25 * other).astype(np.uint8)
    return cv2.resize(blocks, (112, 112), interpolation=cv2.INTER_NEAREST)


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Six people, six crops each; one crop twice, one under a wrong label, one file cut short."""
    root = tmp_path / "crops"
    for person in range(6):
        (root / f"p{person}").mkdir(parents=True)
        for number in range(6):
            write_image(root / f"p{person}" / f"{number}.png", block_face(person, number))
    shutil.copy(root / "p0" / "1.png", root / "p0" / "9.png")
    write_image(root / "p1" / "wrong.png", block_face(2, 50))
    (root / "p3" / "cut.png").write_bytes((root / "p3" / "0.png").read_bytes()[:200])
    return root


def snapshot(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def audited(run: Run, crops: Path, tiny_model: Path, tmp_path: Path) -> Path:
    outcome = run(
        "data", "audit", crops, "-o", tmp_path / "audit", "--model", tiny_model,
        "--detector", "none",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    for text in ("39 images of 6 identities", "(wrong_label): 1", "(duplicate): 1"):
        assert text in outcome.out
    return tmp_path / "audit" / "manifest.jsonl"


def test_audit_writes_a_manifest_and_a_page(run: Run, audited: Path, crops: Path) -> None:
    lines = [json.loads(line) for line in audited.read_text(encoding="utf-8").splitlines()]
    assert lines[0]["source"] == str(crops)
    found = {(line["kind"], line["action"], *line["images"]) for line in lines[1:]}
    assert {row for row in found if row[0] != "stranger"} == {
        ("unreadable", "drop", "p3/cut.png"),
        ("duplicate", "drop", "p0/9.png"),
        ("wrong_label", "move", "p1/wrong.png"),
    }
    page = audited.with_name("audit.html").read_text(encoding="utf-8")
    assert "holds photos of people" in page
    assert page.count("<article>") == len(lines) - 1


def test_an_edited_manifest_is_not_overwritten(
    run: Run, audited: Path, crops: Path, tiny_model: Path
) -> None:
    again = run("data", "audit", crops, "-o", audited.parent, "--model", tiny_model)
    assert again.code == 2
    assert "may have been edited" in again.err


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


def test_against_another_set_and_with_a_depth(
    run: Run, crops: Path, tiny_model: Path, tmp_path: Path
) -> None:
    write_image(tmp_path / "eval.png", block_face(4, 90))
    (tmp_path / "eval" / "x").mkdir(parents=True)
    shutil.copy(crops / "p5" / "0.png", tmp_path / "eval" / "x" / "0.png")
    shown = run(
        "data", "audit", crops, "--against", tmp_path / "eval", "--depth", "1", "--no-page",
        "-o", tmp_path / "audit", "--model", tiny_model, "--detector", "none", "--json",
    ).json  # fmt: skip
    assert shown["findings"]["overlap_copy"] == 1
    assert shown["page"] is None
    first = json.loads((tmp_path / "audit" / "manifest.jsonl").read_text().splitlines()[0])
    assert first["settings"] == {"depth": 1}


def test_photos_are_refused_and_crops_of_another_template_too(
    run: Run, photos: Path, crops: Path, tiny_model: Path, tmp_path: Path
) -> None:
    refused = run("data", "audit", photos, "-o", tmp_path / "a", "--model", tiny_model)
    assert refused.code == 2
    assert "vultus data align" in refused.err
    (crops / "alignment.toml").write_text(
        'format = "vultus-alignment-1"\n[alignment]\ntemplate = "sphereface-112x96"\n'
    )
    refused = run("data", "audit", crops, "-o", tmp_path / "b", "--model", tiny_model)
    assert "sphereface-112x96" in refused.err


def test_align_real_portraits(run: Run, photos: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    for folder in photos.iterdir():
        if folder.is_dir():
            (people / folder.name).mkdir(parents=True)
            for path in sorted(folder.iterdir())[:2]:
                shutil.copy(path, people / folder.name)
    shutil.copy(photos / "broken.jpg", people)
    done = run("data", "align", people, tmp_path / "crops", "--format", "webp", "--json")
    assert done.code == 2
    assert done.json["crops"] == 4
    assert list(done.json["failures"]) == ["broken.jpg"]
    assert 0 < done.json["residual_px"][0] < 6
    dataset = open_dataset(tmp_path / "crops")
    assert set(dataset.identities) == {"Eileen Collins", "Grace Hopper"}
    assert {dataset.image(i).shape for i in range(4)} == {(112, 112, 3)}
    again = run("data", "align", people, tmp_path / "crops", "--format", "webp")
    assert "5 photos were done before" in again.out
    assert "no crop of broken.jpg" in again.err
    wrong = run("data", "align", people, tmp_path / "crops", "--select", "central")
    assert "other settings" in wrong.err
