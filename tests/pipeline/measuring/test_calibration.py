"""A calibration from Python, without the command line."""

from pathlib import Path

import pytest

from vultus import Recognizer
from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import InputError
from vultus.pipeline.measuring import (
    CalibrationPlan,
    calibrate,
    calibration_file,
    photographed_faces,
    save_calibration,
)


def test_a_folder_of_people_sets_the_thresholds_that_a_recogniser_judges_by(
    people: Path, tiny_model: Path, tmp_path: Path
) -> None:
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    told: list[int] = []
    faces = photographed_faces(
        people,
        recognizer,
        aligned=True,
        progress=lambda what, done, total: told.append(done),
    )
    assert told == list(range(122))
    assert (len(faces.embeddings), faces.failures, faces.detector) == (120, 1, None)
    done = calibrate(faces, CalibrationPlan(fmrs=(1e-2,)))
    save_calibration(done.calibration, tmp_path / "new" / "calibration.json")
    with pytest.raises(InputError, match="cannot be written"):
        save_calibration(done.calibration, tmp_path / "new" / "calibration.json" / "x" / "y")
    recognizer.use_calibration(tmp_path / "new" / "calibration.json")
    assert recognizer.threshold(1e-2) == done.calibration.thresholds.at_fmr(1e-2)
    assert recognizer.thresholds == done.calibration.thresholds
    recognizer.use_calibration(None)
    assert recognizer.thresholds == recognizer.embedder.thresholds


def test_the_place_of_a_calibration_is_in_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    space = EmbeddingSpace(model="mine", weights_sha256="0" * 64, preprocessing="none", dim=4)
    assert calibration_file(space).is_relative_to(tmp_path)
    both = EmbeddingSpace(model="a@0.7+b@0.3", weights_sha256="0" * 64, preprocessing="", dim=4)
    assert calibration_file(both).parent.name == "a@0.7+b@0.3"
    odd = EmbeddingSpace(model="a/b", weights_sha256="0" * 64, preprocessing="none", dim=4)
    with pytest.raises(InputError, match="no model of the store but 'a/b'"):
        calibration_file(odd)
