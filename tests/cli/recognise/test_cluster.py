"""`vultus cluster`: groups, folders and a contact sheet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
HOPPER = "Grace Hopper"


def test_cluster_copies_photos_and_writes_a_contact_sheet(
    run: Run, photos: Path, tiny_model: Path, tmp_path: Path
) -> None:
    groups, sheet = tmp_path / "groups", tmp_path / "sheet.html"
    arguments = ["--model", tiny_model, "-o", groups, "--html", sheet, "--fmr", "1e-2"]
    outcome = run("cluster", photos / HOPPER, photos / "nobody.jpg", *arguments, "--json")
    assert outcome.code == 0  # one photo has no face, which is told
    assert outcome.json["skipped"][0]["error"] == "no face found"
    faces = sum(len(person) for person in outcome.json["people"])
    assert faces == 6
    assert sum(1 for _ in groups.rglob("*.jpg")) == 6
    assert sheet.read_text().count("<img") == 6
    assert "nobody.jpg: no face found" in outcome.err
    again = run("cluster", photos / HOPPER, *arguments)
    assert again.code == 2
    assert "not empty" in again.err
