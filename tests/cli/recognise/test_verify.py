"""`vultus verify`: 1:1 on real photos, with a tiny embedder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
COLLINS = "Eileen Collins"


def test_verify_answers_with_its_exit_code(
    run: Run, photos: Path, original: Path, tiny_model: Path
) -> None:
    same = run("verify", original, original, "--model", tiny_model, "--json")
    assert (same.code, same.json["same_person"]) == (0, True)
    assert same.json["threshold"]["fmr"] == 1e-3
    stranger = photos / COLLINS / "0-original.jpg"
    other = run("verify", original, stranger, "--model", tiny_model)
    assert other.code == 1
    assert "different people" in other.out
    assert "FMR 1.0e-03 on 30,000 impostor pairs" in other.out


def test_caution_takes_the_worst_groups_threshold(run: Run, original: Path) -> None:
    same = run("verify", original, original, "--cautious", "--calibration", "none", "--json")
    assert same.code == 0, same.err
    rule = same.json["threshold"]
    assert rule["similarity"] > 0.5
    assert "inside the worst of" in rule["origin"]
    both = run("verify", original, original, "--cautious", "--threshold", 0.3)
    assert (both.code, both.out) == (2, "")
    assert "--cautious and --threshold are two ways to decide" in both.err


def test_caution_is_refused_of_a_model_whose_groups_nobody_measured(
    run: Run, original: Path, tiny_model: Path
) -> None:
    refused = run("verify", original, original, "--model", tiny_model, "--cautious")
    assert refused.code == 2
    assert "nobody measured groups of people" in refused.err


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        ("nobody.jpg", "no face found"),
        ("both-together.jpg", "--select largest or --select central"),
        ("broken.jpg", "broken.jpg"),
        ("missing.jpg", "missing.jpg"),
        ("too-small.jpg", "inter-eye distance"),
    ],
)
def test_verify_does_not_guess(
    run: Run, photos: Path, original: Path, tiny_model: Path, photo: str, message: str
) -> None:
    outcome = run("verify", original, photos / photo, "--model", tiny_model)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_a_model_that_is_not_here_is_exit_code_3(
    run: Run, original: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", "")
    outcome = run("verify", original, original, "--model", "mobilefacenet-y1")
    assert outcome.code == 3
    assert "VULTUS_MODELS_MIRROR" in outcome.err
