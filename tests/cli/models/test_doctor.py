"""`vultus doctor`: what is here and what is missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_doctor_says_what_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Path
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", "")
    outcome = run("doctor", "--model", "mobilefacenet-y1", "--json")
    assert outcome.code == 3
    status = {check["what"]: check["status"] for check in outcome.json["checks"]}
    assert status["self test: detector mtcnn"] == "ok"
    assert status["self test: embedder mobilefacenet-y1"] == "missing"
    assert run("doctor").code == 0  # the built-in model needs nothing
    healthy = run("doctor", "--model", tiny_model)
    assert healthy.code == 0
    assert "alone = batched" in healthy.out.replace("\n", " ")
