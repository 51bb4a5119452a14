import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.quality.score import CURVES, combined_score, trusted_score

CLEAR = {
    "sharpness": 0.55,
    "inter_eye_distance": 80.0,
    "contrast": 0.2,
    "over_exposure": 0.0,
    "occlusion": 0.0,
    "cut_off": 0.0,
    "yaw_deg": 0.0,
    "pitch_deg": 0.0,
}
SPANS = {
    "sharpness": 1.0,
    "inter_eye_distance": 100.0,
    "contrast": 0.5,
    "yaw_deg": 90.0,
    "pitch_deg": 90.0,
}


def score(**values: float) -> float:
    measures = {**CLEAR, **values}
    return float(combined_score({k: np.array([v], np.float32) for k, v in measures.items()})[0])


def test_the_formula_written_out() -> None:
    values = {
        "sharpness": 0.3,
        "inter_eye_distance": 9.0,
        "contrast": 0.05,
        "over_exposure": 0.4,
        "occlusion": 0.7,
        "cut_off": 0.2,
        "yaw_deg": -40.0,
        "pitch_deg": 20.0,
    }
    q = {}
    for name, value in values.items():
        half_at, width = CURVES[name].half_at, CURVES[name].width
        q[name] = 1 / (1 + np.exp(-(abs(value) - half_at) / width))
        if name not in ("sharpness", "inter_eye_distance", "contrast"):
            q[name] *= 1 + np.exp(half_at / width)
    wanted = min(q["sharpness"], q["inter_eye_distance"])
    for name in ("contrast", "over_exposure", "occlusion", "cut_off", "yaw_deg", "pitch_deg"):
        wanted *= q[name]
    assert score(**values) == pytest.approx(wanted, rel=1e-5)


def test_clear_faces_score_near_one_and_extremes_stay_in_range() -> None:
    assert score() > 0.9
    assert 0 <= score(sharpness=0, occlusion=1, yaw_deg=1e6, over_exposure=1) < 0.01
    assert score(inter_eye_distance=1e9, sharpness=1, contrast=1) <= 1


@given(
    name=st.sampled_from(list(CURVES)),
    share=st.floats(0, 1),
    step=st.floats(0, 0.5),
)
@settings(max_examples=100, deadline=None)
def test_the_score_never_rises_when_one_measure_gets_worse(
    name: str, share: float, step: float
) -> None:
    span = SPANS.get(name, 1.0)
    direction = 1 if CURVES[name].width > 0 else -1
    better = share * span
    worse = max(0.0, better - direction * step * span)
    assert score(**{name: worse}) <= score(**{name: better}) + 1e-6


def test_only_the_worse_of_sharpness_and_size_counts() -> None:
    assert score(sharpness=0.2) == score(sharpness=0.2, inter_eye_distance=20)
    assert score(inter_eye_distance=6) == score(inter_eye_distance=6, sharpness=0.4)


def test_the_pose_counts_to_either_side_alike() -> None:
    assert score(yaw_deg=50) == score(yaw_deg=-50) < score(yaw_deg=20)


def test_norm_and_trust_make_one_score() -> None:
    strength, trust = np.array([0.8, 0.0, 1.0], np.float32), np.array([0.25, 1.0, 1.0], np.float32)
    np.testing.assert_allclose(trusted_score(strength, trust), [0.4, 0.0, 1.0], atol=1e-7)
