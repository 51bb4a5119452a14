import dataclasses
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.quality.gate import QualityGate, kind_of_refusal
from vultus.quality.measures import FaceQuality

Portrait = Any  # the class lives in conftest.py, which cannot be imported

PERFECT = {
    "sharpness": 0.6,
    "luminance_mean": 0.5,
    "contrast": 0.2,
    "inter_eye_distance": 100.0,
    "face_size_px": 200.0,
    "score": 0.95,
}


def quality(n: int = 1, **values: float) -> FaceQuality:
    names = [field.name for field in dataclasses.fields(FaceQuality) if field.name != "norm"]
    known = {**dict.fromkeys(names, 0.0), **PERFECT, **values}
    arrays: dict[str, Any] = {name: np.full(n, value, np.float32) for name, value in known.items()}
    return FaceQuality(**{**arrays, "damage": np.full(n, "noise")})


def test_a_good_face_passes_and_no_face_gives_no_answer() -> None:
    assert QualityGate().judge(quality(2)) == [(), ()]
    assert QualityGate().judge(quality(0)) == []


@pytest.mark.parametrize(
    ("measure", "value", "reason"),
    [
        ("inter_eye_distance", 14, "inter-eye distance 14 px, needs 24"),
        ("inter_eye_distance", 23.7, "inter-eye distance 23.7 px, needs 24"),
        ("sharpness", 0.1, "sharpness 0.10, needs 0.2"),
        ("contrast", 0.01, "contrast 0.01, needs 0.03"),
        ("under_exposure", 0.97, "under-exposed 97%, at most 90"),
        ("over_exposure", 0.8, "over-exposed 80%, at most 60"),
        ("yaw_deg", -70, "turned to the side by about 70 degrees, at most 55"),
        ("yaw_deg", 70, "turned to the side by about 70 degrees, at most 55"),
        ("pitch_deg", 50, "turned up or down by about 50 degrees, at most 40"),
        ("occlusion", 0.93, "probably covered: occlusion 0.93, at most 0.8"),
        ("cut_off", 0.5, "beyond the photo's edge 50%, at most 30"),
    ],
)
def test_each_default_limit_has_its_reason(measure: str, value: float, reason: str) -> None:
    assert QualityGate().judge(quality(1, **{measure: value})) == [(reason,)]
    assert kind_of_refusal(reason) == measure


@pytest.mark.parametrize(
    "limit",
    [limit for limit in QualityGate.__slots__ if limit not in ("max_both_occlusion", "doubt_step")],
)
def test_each_limit_alone_refuses_just_beyond_itself_and_can_be_switched_off(limit: str) -> None:
    measure = {"min_inter_eye_px": "inter_eye_distance"}.get(limit, limit.split("_", 1)[1])
    off = dict.fromkeys(QualityGate.__slots__)
    bound = 0.25
    gate = QualityGate(**{**off, limit: bound})
    sign = 1 if limit.startswith("max") else -1
    for value, refused in (
        (bound + sign * 0.01, True),
        (bound, False),
        (bound - sign * 0.01, False),
    ):
        changed: dict[str, Any] = {measure: np.array([value], np.float32)}
        face = dataclasses.replace(quality(), **changed)
        assert bool(gate.judge(face)[0]) is refused
        assert QualityGate(**off).judge(face) == [()]


def test_several_faults_give_several_reasons_each_to_its_own_face() -> None:
    mixed = dataclasses.replace(
        quality(3),
        sharpness=np.array([0.6, 0.1, 0.6], np.float32),
        occlusion=np.array([0, 0.9, 0.9], np.float32),
    )
    first, second, third = QualityGate().judge(mixed)
    assert first == ()
    assert len(second) == 2
    assert third == ("probably covered: occlusion 0.90, at most 0.8",)


def test_real_faults_are_named(portrait: Portrait) -> None:
    def reasons(spoiled: Portrait) -> str:
        return "; ".join(QualityGate().judge(spoiled.quality())[0])

    assert reasons(portrait) == ""
    distance = float(portrait.faces.inter_eye_distances[0])
    assert "inter-eye distance 14 px, needs 24" in reasons(portrait.resized(14 / distance))
    assert "sharpness" in reasons(portrait.blurred(0.15))
    assert "under-exposed" in reasons(portrait.with_gain(0.06))
    assert "over-exposed" in reasons(portrait.with_gain(8))
    assert "probably covered" in reasons(portrait.with_bar_over_eyes())
    assert "probably covered" in reasons(portrait.with_mask((90, 150, 200)))
    nose = int(portrait.faces.landmarks[0, 2, 1])
    assert "beyond the photo's edge" in reasons(portrait.cut_below(nose))


def test_limits_outside_their_range_and_missing_norms_are_refused() -> None:
    with pytest.raises(InputError, match="max_occlusion must be a number in"):
        QualityGate(max_occlusion=80)
    with pytest.raises(InputError, match="min_inter_eye_px"):
        QualityGate(min_inter_eye_px=-1)
    with pytest.raises(InputError, match="call with_norms first"):
        QualityGate(min_norm=20).judge(quality())
    assert QualityGate(min_norm=0).judge(quality()) == [()]


def test_a_models_least_norm_counts_where_the_gate_has_none() -> None:
    assert QualityGate().for_model(3.0).min_norm == 3.0
    assert QualityGate(min_norm=5).for_model(3.0).min_norm == 5
    assert QualityGate(min_norm=0).for_model(3.0).min_norm == 0
    assert QualityGate().for_model(0.0).min_norm is None


def test_a_face_that_is_not_trusted_is_told_what_was_probably_done_to_it_first() -> None:
    faces = dataclasses.replace(
        quality(3, sharpness=0.1),
        trust=np.array([0.2, 0.9, 0.3], np.float32),
        stretch=np.array([1, 1, 1.52], np.float32),
        damage=np.array(["turned 180 degrees", "noise", "stretched wide"]),
    )
    reasons = QualityGate().for_model(0, 0.5).judge(faces)
    assert [len(found) for found in reasons] == [2, 1, 2]
    assert reasons[0][0] == "probably turned 180 degrees: trust 0.20, needs 0.5"
    assert reasons[2][0] == "probably stretched 1.5 x in width: trust 0.30, needs 0.5"
    assert all(found[-1].startswith("sharpness") for found in reasons)


def test_a_models_limits_hold_where_the_gate_has_none_of_its_own() -> None:
    assert QualityGate().for_model(12, 0.4) == QualityGate(min_norm=12, min_trust=0.4)
    own = QualityGate(min_norm=3, min_trust=0)
    assert own.for_model(12, 0.4) == own
    assert QualityGate().for_model(0) == QualityGate()


def test_two_covered_faces_are_not_compared_though_each_may_be() -> None:
    bare, masked = quality(1, occlusion=0.1), quality(1, occlusion=0.5)
    gate = QualityGate()
    assert gate.judge(masked) == [()]
    assert gate.judge_pair(bare, masked) == gate.judge_pair(masked, bare) == ()
    (reason,) = gate.judge_pair(masked, masked)
    assert reason.startswith("both faces are probably covered: occlusion 0.50 and 0.50")
    assert QualityGate(max_both_occlusion=None).judge_pair(masked, masked) == ()
    assert gate.judge_pair(quality(1, occlusion=0.3), masked) == ()


def test_two_doubtful_faces_need_more_similarity_and_the_better_one_counts() -> None:
    gate = QualityGate().for_model(0, 0.2)
    # Odds of 1/4 at the limit, 10/4 where a face is sure, 1 at one half.
    assert gate.raised_by(0.5, 0.2) == pytest.approx(0.15 * np.log(10 / 4))
    assert gate.raised_by(0.2, 0.5) == gate.raised_by(0.5, 0.5) == gate.raised_by(0.5, 0.2)
    assert gate.raised_by(0.2, 0.2) == pytest.approx(0.15 * np.log(10))
    assert gate.raised_by(0.72, 0.2) == gate.raised_by(1.0, 0.0) == 0
    assert gate.raised_by(None, 0.2) == gate.raised_by(0.2, None) == 0
    assert gate.raised_by(0, 0) == pytest.approx(0.15 * np.log(10 / 4 * 1e6), rel=1e-4)  # finite
    strict = QualityGate(min_trust=0.5).for_model(0, 0.2)
    assert strict.raised_by(0.5, 0.5) == pytest.approx(gate.raised_by(0.2, 0.2), rel=1e-12)
    for off in (QualityGate(doubt_step=0), QualityGate(doubt_step=None), QualityGate(min_trust=0)):
        assert off.for_model(0, 0.2).raised_by(0.2, 0.2) == 0
    assert QualityGate().raised_by(0.2, 0.2) == 0  # of a model without a head


def test_a_step_of_doubt_is_smaller_where_similarities_lie_closer_together() -> None:
    usual = QualityGate().for_model(0, 0.2)
    for per_decade, share in ((0.045, 0.5), (0.09, 1), (0.2, 1), (None, 1)):
        gate = QualityGate().for_model(0, 0.2, per_decade=per_decade)
        assert gate.raised_by(0.2, 0.2) == pytest.approx(share * usual.raised_by(0.2, 0.2))
        assert gate.sure_trust == usual.sure_trust
    for off in (None, 0):
        gate = QualityGate(doubt_step=off).for_model(0, 0.2, per_decade=0.045)
        assert gate.raised_by(0.2, 0.2) == 0


def test_a_kind_of_refusal_is_one_of_few_words() -> None:
    trusted = "probably blurred: trust 0.10, needs 0.20"
    assert kind_of_refusal(trusted) == "trust"
    both = "the face and every enrolled photo of 'Ada' are probably covered: occlusion 0.50 and"
    assert kind_of_refusal(both) == "both_covered"
    doubtful = "the face and every enrolled photo of 'Ada' are doubtful: trust 0.30 and at most"
    assert kind_of_refusal(doubtful) == "both_doubtful"
    assert kind_of_refusal("who knows") == "other"
