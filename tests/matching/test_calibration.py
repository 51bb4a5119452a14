import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import ConfigError, SpaceMismatchError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.matching.calibration import Calibration, CalibrationData, load_calibration
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel
from vultus.matching.match_probability import MatchProbability

SPACE = EmbeddingSpace("toy", "0" * 64, "none", 8)
CURVE = FpirCurve(10, np.array([0.3, 0.4]), np.array([0.1, 0.01]))
FULL = Calibration(
    SPACE,
    "2026-11-23T12:00:00+00:00",
    CalibrationData("people", "f" * 64, 100, 400, 101, 410, 3, "mtcnn", 0),
    ThresholdTable((Threshold(0.3, 1e-2, 1000, "a"), Threshold(0.4, 4e-3, 1000, "b"))),
    FpirCurves((PhotoLevel(1, (CURVE,), 100, 100, 400),), "made up"),
    MatchProbability("isotonic", np.array([0.1, 0.5]), np.array([-3.0, 5.0])),
    {"fmr": [{"target_fmr": 0.01}]},
)


def _rates(**curve: Any) -> dict[str, Any]:
    """FPIR curves as a file has them, with fewer searches than strangers, or another curve."""
    rates: dict[str, Any] = json.loads(FULL.to_json())["gallery_rates"]
    level = rates["levels"][0]
    level["curves"][0].update(curve)
    if not curve:
        level["n_searches"] = 2
    return rates


BARE = Calibration(SPACE, FULL.created, FULL.data, FULL.thresholds)


@pytest.mark.parametrize("calibration", [FULL, BARE])
def test_a_file_gives_back_what_was_written(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(calibration.to_json(), encoding="utf-8")
    read = load_calibration(path)
    assert read.to_json() == calibration.to_json()
    assert (read.space, read.thresholds) == (SPACE, FULL.thresholds)


def test_another_space_is_refused_by_the_name_of_what_differs() -> None:
    FULL.check_space(SPACE)
    with pytest.raises(SpaceMismatchError, match=r"different weights_sha256\); run `vultus"):
        FULL.check_space(EmbeddingSpace("toy", "1" * 64, "none", 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "vultus-calibration-9"}, "format must be 'vultus-calibration-1'"),
        ({"space": {"model": "toy"}}, r"space\.dim is missing"),
        ({"thresholds": [{"similarity": 3}]}, r"thresholds\.0: threshold similarity must be"),
        ({"thresholds": [{"similarity": 0.3}]}, "every threshold of a table must state"),
        (
            {"evidence": {"method": "isotonic", "similarities": [1], "llrs": ["x"]}},
            r"evidence\.llrs\.0 must be a number, got 'x'",
        ),
        (
            {"evidence": {"method": "isotonic", "similarities": [1, 0], "llrs": [1, 2]}},
            "evidence: similarities must not fall",
        ),
        ({"gallery_rates": {"levels": []}}, r"gallery_rates\.origin is missing"),
        ({"data": None}, "data must be a table, got None"),
        (
            {"data": json.loads(FULL.to_json())["data"] | {"failures": -3}},
            "data: failures must be an integer of at least 0, got -3",
        ),
        (
            {"gallery_rates": _rates(similarities=[0.3, 1e300])},
            r"similarities must be in \[-1, 1\], got 0.3 to 1e\+300",
        ),
        ({"gallery_rates": _rates()}, "n_searches must be at least n_strangers"),
        ({"evidnce": 1}, "has no 'evidnce'; did you mean 'evidence'"),
        (
            {"thresholds": [{"similarity": -1, "fmr": 1e-6, "n_impostor": 1}]},
            "at least 3 / n_impostor",
        ),
    ],
)
def test_a_damaged_file_is_one_error(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(FULL.to_dict() | change), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        load_calibration(path)
    assert "calibration.json" in str(caught.value)


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vultus calibrate"):
        load_calibration(tmp_path / "none.json")
    for text in ("not JSON", "[1]", "{}"):
        path = tmp_path / "other.json"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"other\.json"):
            load_calibration(path)
