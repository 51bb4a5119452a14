"""`vultus data audit`: what it finds, writes and refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vultus.image.io import write_image

Run = Callable[..., Any]


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


def test_against_another_set_and_with_a_depth(
    run: Run, crops: Path, block_face: Any, tiny_model: Path, tmp_path: Path
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
