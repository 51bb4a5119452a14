import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.calibration import CalibrationPlan, LabelledFaces, calibrate
from vultus.evaluation.calibration.fpir import GalleryPlan
from vultus.evaluation.calibration.run import CalibrationResult
from vultus.evaluation.calibration.searches import stranger_searches
from vultus.evaluation.calibration.split import held_out
from vultus.matching.calibration import Calibration

MakeFaces = Callable[..., LabelledFaces]


@pytest.fixture(scope="module")
def faces(make_faces: MakeFaces) -> LabelledFaces:
    return make_faces(700, 3)


@pytest.fixture(scope="module")
def result(faces: LabelledFaces) -> CalibrationResult:
    return calibrate(faces, CalibrationPlan())


def test_thresholds_hold_on_people_who_did_not_set_them(result: CalibrationResult) -> None:
    assert [check.target_fmr for check in result.fmr] == [1e-2, 1e-3, 1e-4]
    for check in result.fmr:
        assert check.holds
        assert check.stated.fmr <= check.target_fmr
        assert check.stated_interval.low < check.held_out.fmr < check.stated_interval.high
    points = result.calibration.thresholds.points
    assert [point.similarity for point in points] == [c.stated.threshold for c in result.fmr]
    assert "on 350 people of noise; FMR" in points[0].origin


def test_the_others_are_those_who_set_nothing(
    faces: LabelledFaces, result: CalibrationResult
) -> None:
    data = result.calibration.data
    assert (data.n_people, data.n_people_held_out) == (350, 350)
    assert (data.n_photos, data.n_photos_held_out, data.sha256) == (1050, 1050, "a" * 64)
    kept = held_out(faces.identities, generator=np.random.default_rng(0))
    who = np.unique(faces.identities, return_inverse=True)[1]
    check = result.fmr[1]
    for mask, point in ((~kept, check.stated), (kept, check.held_out)):
        vectors, people = faces.embeddings.vectors[mask], who[mask]
        first, second = np.triu_indices(len(people), 1)
        reached = (vectors @ vectors.T)[first, second] >= check.stated.threshold
        matches = int((reached & (people[first] != people[second])).sum())
        assert point.n_false_matches == pytest.approx(matches, abs=1)  # a bin's edge
        assert point.n_impostor == 1050 * 1049 // 2 - 350 * 3
    gallery = result.fpir[1]
    searches = stranger_searches(
        faces.embeddings[kept], who[kept], photos_per_person=1, generator=np.random.default_rng(1)
    )
    seen = searches.measure(gallery.threshold.similarity, gallery_size=100)
    assert (gallery.held_out, gallery.held_out_interval) == seen


def test_galleries_as_far_as_the_people_carry_them(result: CalibrationResult) -> None:
    plans = {(c.plan.gallery_size, c.plan.photos_per_person): c for c in result.fpir}
    assert set(plans) == {(n, k) for n in (10, 100, 1000) for k in (1, 2, 3)}
    assert plans[100, 1].plan.fpir == 0.01
    assert plans[1000, 1].plan.fpir == 0.1
    for (size, _), check in plans.items():
        assert check.holds is (None if size == 1000 else True)
        assert check.stated_interval.low < check.plan.fpir < check.stated_interval.high
    assert "extrapolated from 348" in plans[1000, 1].threshold.origin


def test_the_better_method_on_people_held_out_is_kept(result: CalibrationResult) -> None:
    losses = {name: check.log_loss for name, check in result.probability.items()}
    assert set(losses) == {"isotonic", "logistic"}
    fitted = result.calibration.match_probability
    assert fitted is not None
    assert losses[fitted.method] == min(losses.values()) < 0.4
    assert result.probability[fitted.method].calibration_error < 0.03


def test_the_same_seed_gives_the_same_calibration(
    faces: LabelledFaces, result: CalibrationResult
) -> None:
    again = calibrate(faces, CalibrationPlan()).calibration.to_dict()
    first = result.calibration.to_dict()
    for values in (again, first):
        values.pop("created")
    assert again == first
    other = calibrate(faces, CalibrationPlan(seed=1)).calibration.to_dict()
    assert other["thresholds"] != first["thresholds"]


def test_what_was_asked_for_and_nothing_else(faces: LabelledFaces) -> None:
    plan = CalibrationPlan(fmrs=(5e-3,), galleries=(GalleryPlan(0.02, 50, 2),))
    result = calibrate(faces, plan)
    assert [check.target_fmr for check in result.fmr] == [5e-3]
    (check,) = result.fpir
    assert (check.plan, check.holds) == (plan.galleries[0], True)
    assert check.to_dict()["held_out_fpir"] == pytest.approx(0.02, rel=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fmrs": (1e-5,)}, r"takes 1,552 people .* are 700: 852 more"),
        ({"galleries": (GalleryPlan(0.001, 10),)}, r"takes 6,000 people .* 700: 5,300 more"),
        ({"galleries": (GalleryPlan(0.01, 5000),)}, r"takes 3,465 people .*: 2,765 more"),
        ({"galleries": (GalleryPlan(0.1, 5, 9),)}, r"9 photo\(s\) each takes 60 .* 0: 60 more"),
    ],
)
def test_what_the_people_cannot_carry_is_refused_with_their_number(
    faces: LabelledFaces, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(CalibrationError, match=message):
        calibrate(faces, CalibrationPlan(**settings))


def test_with_the_people_told_a_gallery_passes_and_with_one_fewer_not(
    make_faces: MakeFaces,
) -> None:
    for plan in (GalleryPlan(0.1, 10), GalleryPlan(0.09, 11, 2)):
        asked = CalibrationPlan(galleries=(plan,), share_held_out=0.45)
        with pytest.raises(CalibrationError) as refused:
            calibrate(make_faces(41, 3), asked)
        told = int(re.search(r"takes (\d+) people", str(refused.value))[1])  # type: ignore[index]
        assert f"there are 41: {told - 41} more" in str(refused.value)
        calibrate(make_faces(told, 3), asked)
        with pytest.raises(CalibrationError, match=f"takes {told} people .*: 1 more"):
            calibrate(make_faces(told - 1, 3), asked)


def test_a_gallery_is_refused_before_any_comparison(
    make_faces: MakeFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("vultus.evaluation.calibration.run.all_pairs")
    with pytest.raises(CalibrationError, match="takes 6,000 people"):
        calibrate(make_faces(60, 3), CalibrationPlan(galleries=(GalleryPlan(0.001, 10),)))


def test_a_few_people_carry_little(make_faces: MakeFaces) -> None:
    result = calibrate(make_faces(24, 3), CalibrationPlan())
    assert [check.target_fmr for check in result.fmr] == [0.1]
    assert (result.calibration.fpir_curves, result.fpir) == (None, ())
    with pytest.raises(CalibrationError, match="takes 18 people"):
        calibrate(make_faces(12, 3), CalibrationPlan())
    with pytest.raises(CalibrationError, match=r"FPIR 0\.1 among 10 people"):
        calibrate(make_faces(24, 3), CalibrationPlan(galleries=(GalleryPlan(0.1, 10),)))


def test_people_with_one_photo_alone_are_refused(make_faces: MakeFaces) -> None:
    with pytest.raises(InputError, match="two photos or more on both sides"):
        calibrate(make_faces(60, 1), CalibrationPlan())
    faces = make_faces(5, 2)
    with pytest.raises(InputError, match="one per face"):
        LabelledFaces(faces.embeddings, faces.identities[1:], "x", "0" * 64)


def test_others_may_check_and_a_tail_may_be_followed(make_faces: MakeFaces) -> None:
    strangers, others = make_faces(400, 2), make_faces(200, 3, seed=1)
    plan = CalibrationPlan(extrapolate=True)
    done = calibrate(strangers, plan, check=others)
    data = done.calibration.data
    assert (data.n_people, data.n_people_held_out) == (400, 200)
    counted = [p for p in done.calibration.thresholds.points if not p.extrapolated]
    beyond = [p for p in done.calibration.thresholds.points if p.extrapolated]
    assert [round(-np.log10(p.fmr or 1), 1) for p in counted] == [2.0, 3.0]  # 200 check
    assert [p.fmr for p in beyond] == [1e-4, 1e-5]
    assert all("beyond what is counted" in p.origin for p in beyond)
    curves, missed = done.calibration.fpir_curves, done.calibration.fnir_curves
    assert curves is not None
    assert curves.spread is not None
    assert [level.photos_per_person for level in curves.levels] == [1, 2, 3]
    assert missed is not None
    assert "200 people of noise who set no threshold" in missed.origin
    again = Calibration.from_dict(done.calibration.to_dict())
    assert again.to_dict() == done.calibration.to_dict()


def test_files_of_before_say_nothing_of_misses(result: CalibrationResult) -> None:
    values = result.calibration.to_dict()
    assert values.pop("misses") is not None
    assert "spread" not in values["gallery_rates"]
    assert Calibration.from_dict(values).fnir_curves is None
