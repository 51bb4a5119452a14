import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.measures.rates import (
    RocCurve,
    area_under_curve,
    equal_error_rate,
    operating_point,
    point_at,
    roc_curve,
)

# Few distinct values, so that ties are the rule.
TIED = st.lists(st.integers(-5, 5).map(lambda k: k / 8), min_size=1, max_size=40)


def _array(values: list[float]) -> npt.NDArray[np.float64]:
    return np.array(values, np.float64)


@settings(max_examples=50, deadline=None)
@given(TIED, TIED)
def test_counts_agree_with_loops_at_every_threshold(g: list[float], i: list[float]) -> None:
    curve = roc_curve(_array(g), _array(i))
    assert curve.thresholds.tolist() == [math.inf, *sorted({*g, *i}, reverse=True)]
    for row, threshold in enumerate(curve.thresholds):
        assert curve.n_false_matches[row] == sum(score >= threshold for score in i)
        assert curve.n_true_matches[row] == sum(score >= threshold for score in g)
    np.testing.assert_allclose(curve.fnmr, 1 - curve.tar, atol=1e-15)


@settings(max_examples=50, deadline=None)
@given(TIED, TIED)
def test_area_is_the_probability_that_genuine_is_above(g: list[float], i: list[float]) -> None:
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in g for b in i]
    assert area_under_curve(roc_curve(_array(g), _array(i))) == pytest.approx(np.mean(pairs))


@settings(max_examples=50, deadline=None)
@given(TIED, TIED, st.randoms())
def test_order_and_strictly_monotone_maps_change_nothing(
    g: list[float], i: list[float], random: Any
) -> None:
    curve = roc_curve(_array(g), _array(i))
    random.shuffle(g)
    random.shuffle(i)
    moved = roc_curve(np.exp(_array(g)), np.exp(_array(i)))
    assert moved.n_false_matches.tolist() == curve.n_false_matches.tolist()
    assert moved.n_true_matches.tolist() == curve.n_true_matches.tolist()


@settings(max_examples=50, deadline=None)
@given(TIED, TIED)
def test_doubling_every_comparison_keeps_the_rates(g: list[float], i: list[float]) -> None:
    once, twice = roc_curve(_array(g), _array(i)), roc_curve(_array(g * 2), _array(i * 2))
    np.testing.assert_array_equal(once.fmr, twice.fmr)
    np.testing.assert_array_equal(once.tar, twice.tar)
    assert equal_error_rate(once) == equal_error_rate(twice)


@settings(max_examples=50, deadline=None)
@given(TIED, TIED)
def test_exchanging_the_roles_mirrors_the_equal_error_rate(g: list[float], i: list[float]) -> None:
    forward = roc_curve(_array(g), _array(i))
    backward = roc_curve(-_array(i), -_array(g))
    assert equal_error_rate(forward) == pytest.approx(equal_error_rate(backward), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(TIED, st.lists(st.integers(-5, 5).map(lambda k: k / 8), min_size=30, max_size=60))
def test_operating_point_is_the_lowest_threshold_within_the_target(
    g: list[float], i: list[float]
) -> None:
    curve = roc_curve(_array(g), _array(i))
    for target in (0.1, 0.25, 0.5, 1.0):
        point = operating_point(curve, fmr=target)
        allowed = [t for t in {*g, *i} if sum(s >= t for s in i) / len(i) <= target]
        assert point.threshold == min(allowed, default=math.inf)
        assert point.fmr <= target
        assert point.tar == sum(s >= point.threshold for s in g) / len(g)


def test_agrees_with_scikit_learn_on_many_scores() -> None:
    generator = np.random.default_rng(0)
    g = generator.normal(0.5, 0.2, 3000).round(2)
    i = generator.normal(0.0, 0.2, 5000).round(2)
    curve = roc_curve(g, i)
    labels = np.concatenate([np.ones(len(g)), np.zeros(len(i))])
    scores = np.concatenate([g, i])
    fpr, tpr, thresholds = sklearn_roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    np.testing.assert_allclose(curve.fmr, fpr, atol=1e-15)
    np.testing.assert_allclose(curve.tar, tpr, atol=1e-15)
    assert area_under_curve(curve) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_equal_error_rate_by_hand() -> None:
    # At 0.5: FMR 1/4, FNMR 1/4.
    curve = roc_curve(_array([0.9, 0.8, 0.5, 0.1]), _array([0.6, 0.4, 0.3, 0.2]))
    assert equal_error_rate(curve) == 0.25
    assert equal_error_rate(roc_curve(_array([1.0]), _array([0.0]))) == 0.0
    assert equal_error_rate(roc_curve(_array([0.0]), _array([1.0]))) == 1.0
    assert equal_error_rate(roc_curve(_array([0.5]), _array([0.5]))) == 0.5


def test_failures_never_match() -> None:
    curve = roc_curve(_array([0.9, -math.inf, 0.8, -math.inf]), _array([0.1, 0.2, 0.3]))
    assert curve.n_genuine == 4
    assert curve.tar[-1] == 0.5
    assert area_under_curve(curve) == 0.5
    assert equal_error_rate(curve) == pytest.approx(0.5)
    assert operating_point(curve, fmr=1.0).fnmr == 0.5
    assert np.isfinite(curve.thresholds[1:]).all()


def test_the_target_is_never_exceeded_even_when_a_rate_above_is_nearer() -> None:
    impostor = np.arange(1000) / 1000
    genuine = np.full(10, 0.9895)
    point = operating_point(roc_curve(genuine, impostor), fmr=0.0109)
    assert point.n_false_matches == 10
    assert point.threshold == 0.9895
    assert point.tar == 1.0


def test_a_claim_that_the_data_cannot_carry_is_refused() -> None:
    curve = roc_curve(np.ones(5), np.zeros(100))
    assert operating_point(curve, fmr=0.03).n_false_matches == 0
    with pytest.raises(CalibrationError, match="3/n"):
        operating_point(curve, fmr=0.0299)


def test_constant_scores_leave_nothing_to_accept() -> None:
    point = operating_point(roc_curve(np.ones(50), np.ones(300)), fmr=0.1)
    assert (point.threshold, point.tar, point.fmr) == (math.inf, 0.0, 0.0)
    assert point.to_dict()["threshold"] is None
    with pytest.raises(CalibrationError, match="no score is accepted"):
        point.to_threshold("a test")


def test_point_becomes_a_threshold_with_its_rate() -> None:
    point = operating_point(roc_curve(np.array([0.9, 0.8]), np.arange(100) / 200), fmr=0.05)
    threshold = point.to_threshold("a test")
    assert threshold.fmr == point.fmr == 0.05
    assert threshold.n_impostor == 100
    assert threshold.similarity == point.threshold == 0.475


@settings(max_examples=50, deadline=None)
@given(TIED, TIED, st.integers(-50, 50).map(lambda k: k / 80))
def test_point_at_any_threshold_counts(g: list[float], i: list[float], threshold: float) -> None:
    point = point_at(roc_curve(_array(g), _array(i)), threshold=threshold)
    assert point.n_true_matches == sum(score >= threshold for score in g)
    assert point.n_false_matches == sum(score >= threshold for score in i)


@pytest.mark.parametrize(
    ("genuine", "impostor", "match"),
    [
        ([], [0.1], "at least one"),
        ([0.1], [], "at least one"),
        ([math.nan], [0.1], "genuine must be finite or -inf"),
        ([0.1], [-math.inf], "impostor must be finite"),
        ([math.inf], [0.1], "genuine"),
    ],
)
def test_bad_scores_are_refused(genuine: list[float], impostor: list[float], match: str) -> None:
    with pytest.raises(InputError, match=match):
        roc_curve(_array(genuine), _array(impostor))


def test_a_curve_checks_itself() -> None:
    counts = np.array([0, 1, 2])
    thresholds = np.array([math.inf, 0.5, 0.2])
    RocCurve(thresholds, counts, counts, 2, 2)
    with pytest.raises(InputError, match="fall"):
        RocCurve(thresholds[::-1].copy(), counts, counts, 2, 2)
    with pytest.raises(InputError, match="n_true_matches must rise"):
        RocCurve(thresholds, counts, counts, 1, 2)
    with pytest.raises(InputError, match="all 3 impostors"):
        RocCurve(thresholds, counts, counts, 2, 3)
    with pytest.raises(ValueError, match="read-only"):
        RocCurve(thresholds, counts, counts, 2, 2).thresholds[0] = 0
