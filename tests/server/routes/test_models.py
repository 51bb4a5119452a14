from pathlib import Path

import httpx
import pytest

from vultus.matching.calibration import Calibration, load_calibration
from vultus.models.store import ModelStore
from vultus.server.context import Context


def test_models_are_told_with_their_licences(admin: httpx.Client) -> None:
    answer = admin.get("/v1/models").json()
    assert (answer["embedder"], answer["detector"]) == ("tiny", "mtcnn")
    told = {model["name"]: model for model in answer["models"]}
    assert set(told) == set(ModelStore().names())
    card = ModelStore().cards()[0]
    assert told[card.name]["licence"]["commercial_use"] == card.licence.commercial_use


def test_a_calibration_is_taken_from_now_on_and_next_time(
    admin: httpx.Client,
    context: Context,
    tiny_calibration: Calibration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    context.recognizer.use_calibration(None)
    before = admin.get("/v1/calibration").json()
    assert before["calibration"] is None
    assert before["thresholds"][0]["similarity"] == 0.8
    told = admin.put("/v1/calibration", json=tiny_calibration.to_dict())
    assert told.status_code == 200, told.text
    assert told.json() == admin.get("/v1/calibration").json()
    assert told.json()["thresholds"][0]["similarity"] == 0.7
    path = ModelStore().calibration_path(context.recognizer.embedder.card.name)
    assert path.is_relative_to(tmp_path)
    assert load_calibration(path).to_dict() == tiny_calibration.to_dict()


def test_a_calibration_that_does_not_fit_changes_nothing(
    admin: httpx.Client, context: Context, tiny_calibration: Calibration
) -> None:
    other = tiny_calibration.to_dict()
    other["space"] = {**other["space"], "model": "another"}
    for file, status, code in (
        ({}, 422, "unfit-calibration"),
        ({**tiny_calibration.to_dict(), "format": "x"}, 422, "unfit-calibration"),
        (other, 409, "other-model"),
    ):
        answer = admin.put("/v1/calibration", json=file)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert context.recognizer.calibration is tiny_calibration
