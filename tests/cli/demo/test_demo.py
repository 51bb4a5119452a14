"""`vultus demo`: with and without an embedder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
HOPPER, COLLINS = "Grace Hopper", "Eileen Collins"


def test_the_demo_without_an_embedder_shows_detection_and_says_what_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", "")
    outcome = run("demo", "-o", tmp_path / "demo", "--model", "mobilefacenet-y1")
    assert outcome.code == 0
    assert "there is no embedder here" in outcome.err
    page = (tmp_path / "demo" / "index.html").read_text()
    assert "Detection" in page
    assert "Verification" not in page
    assert "holds photos of people" not in page  # they are public figures; one's own are not
    own = ("--photos", tmp_path / "demo" / "photos" / HOPPER, "--model", "mobilefacenet-y1")
    assert run("demo", "-o", tmp_path / "own", *own).code == 0
    assert "holds photos of people" in (tmp_path / "own" / "index.html").read_text()


def test_the_demo_needs_no_file_from_elsewhere_and_decides_rightly(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", "")
    _decides_rightly(run("demo", "-o", tmp_path, "--json"))


@pytest.mark.models
def test_the_demo_decides_rightly_with_a_public_model(
    run: Run, mirror: Path, tmp_path: Path
) -> None:
    _decides_rightly(run("demo", "-o", tmp_path, "--json", "--model", "mobilefacenet-y1"))


def _decides_rightly(outcome: Any) -> None:
    assert outcome.code == 0
    steps = {step["step"]: step for step in outcome.json["steps"]}
    verification = steps["Verification (1:1)"]["rows"][1:]
    assert {(row[1], row[3]) for row in verification} == {("same", "same"), ("other", "different")}
    for photo, _, enrolled, answer, _ in steps["Identification (1:N, open set)"]["rows"][1:]:
        person = photo.split("/")[0]
        if person in (HOPPER, COLLINS):
            assert answer == (person if person in enrolled else "unknown")
    assert any("no face" in row[1] for row in steps["Refused"]["rows"])
    assert "2 groups" in steps["Clustering"]["text"]
