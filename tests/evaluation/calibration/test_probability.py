import math

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.calibration.probability import (
    ScoreCounts,
    fit_isotonic,
    fit_logistic,
    llr_bounds,
    pool_adjacent_violators,
    probability_check,
)
from vultus.evaluation.measures.allpairs import all_pairs

WIDE = (-30.0, 30.0)


def scores(seed: int, n: int = 4000) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    genuine, impostor = generator.normal(0.4, 0.15, n).clip(-1, 1), generator.normal(0, 0.1, 3 * n)
    return in_the_middle(genuine), in_the_middle(impostor)


def in_the_middle(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of its bin, so that binning changes nothing."""
    return (np.floor((values + 1) * 1024) + 0.5) / 1024 - 1


def test_pooling_is_sklearns() -> None:
    generator = np.random.default_rng(0)
    for n in (1, 2, 5, 300):
        values = np.linspace(0, 1, n) + generator.normal(0, 0.5, n).round(1)
        weights = generator.uniform(0.1, 3, n)
        expected = IsotonicRegression().fit(np.arange(n), values, weights).predict(np.arange(n))
        np.testing.assert_allclose(pool_adjacent_violators(values, weights), expected, atol=1e-12)
    with pytest.raises(InputError, match="positive"):
        pool_adjacent_violators([1.0, 2.0], np.array([1.0, 0.0]))


def test_isotonic_is_sklearns_with_both_kinds_weighing_the_same() -> None:
    genuine, impostor = scores(0)
    x = np.concatenate([genuine, impostor])
    y = np.concatenate([np.ones(len(genuine)), np.zeros(len(impostor))])
    weights = np.where(y == 1, 1 / len(genuine), 1 / len(impostor))
    reference = IsotonicRegression(out_of_bounds="clip").fit(x, y, sample_weight=weights)
    fitted = fit_isotonic(ScoreCounts.from_scores(genuine, impostor), bound=WIDE)
    got = fitted.probability(x, prior=0.5)
    np.testing.assert_allclose(got, reference.predict(x), atol=1e-9)


def test_logistic_is_sklearns() -> None:
    genuine, impostor = scores(1)
    x = np.concatenate([genuine, impostor])[:, None]
    y = np.concatenate([np.ones(len(genuine)), np.zeros(len(impostor))])
    weights = np.where(y == 1, 0.5 / len(genuine), 0.5 / len(impostor))
    reference = LogisticRegression(C=1e6, tol=1e-10, max_iter=1000).fit(x, y, weights)
    fitted = fit_logistic(ScoreCounts.from_scores(genuine, impostor), bound=WIDE)
    expected = reference.decision_function(x)
    np.testing.assert_allclose(fitted.llr(x[:, 0]), expected.clip(*WIDE), rtol=1e-3, atol=1e-3)


def test_two_normal_kinds_of_equal_spread_have_a_straight_ratio() -> None:
    generator = np.random.default_rng(2)
    genuine, impostor = generator.normal(0.3, 0.1, 50_000), generator.normal(0.0, 0.1, 50_000)
    counts = ScoreCounts.from_scores(genuine, impostor)
    middle = np.linspace(-0.05, 0.35, 9)
    truth = (middle - 0.15) * 0.3 / 0.01
    np.testing.assert_allclose(fit_logistic(counts, bound=WIDE).llr(middle), truth, atol=0.3)
    np.testing.assert_allclose(fit_isotonic(counts, bound=WIDE).llr(middle), truth, atol=0.7)


def test_the_figures_on_people_held_out_are_sklearns() -> None:
    genuine, impostor = scores(3)
    fitted = fit_logistic(ScoreCounts.from_scores(*scores(1)), bound=WIDE)
    check = probability_check(fitted, ScoreCounts.from_scores(genuine, impostor))
    x = np.concatenate([genuine, impostor])
    y = np.concatenate([np.ones(len(genuine)), np.zeros(len(impostor))])
    weights = np.where(y == 1, 0.5 / len(genuine), 0.5 / len(impostor))
    p = fitted.probability(x, prior=0.5)
    assert check.log_loss == pytest.approx(log_loss(y, p, sample_weight=weights))
    assert check.brier == pytest.approx(brier_score_loss(y, p, sample_weight=weights))
    # Three impostors a genuine pair: repeating genuine pairs gives sklearn equal weights.
    even = np.concatenate([np.tile(genuine, 3), impostor])
    labels = np.concatenate([np.ones(3 * len(genuine)), np.zeros(len(impostor))])
    seen, said = calibration_curve(labels, fitted.probability(even, prior=0.5), n_bins=15)
    np.testing.assert_allclose(check.seen, seen, atol=1e-9)
    np.testing.assert_allclose(check.said, said, atol=1e-9)
    assert check.weights.sum() == pytest.approx(1)
    assert check.calibration_error == pytest.approx(float(check.weights @ np.abs(seen - said)))


def test_evidence_ends_where_the_people_end() -> None:
    low, high = llr_bounds(n_genuine_people=30, n_people=101)
    assert (low, high) == (-math.log(10), math.log(5050 / 3))
    genuine, impostor = scores(4)
    counts = ScoreCounts.from_scores(genuine, impostor)
    for fitted in (
        fit_isotonic(counts, bound=(low, high)),
        fit_logistic(counts, bound=(low, high)),
    ):
        assert fitted.llr([-1.0, 1.0]).tolist() == [low, high]


def test_pairs_are_counted_as_scores_are() -> None:
    generator = np.random.default_rng(5)
    who = np.arange(60) % 20
    raw = generator.normal(size=(20, 16))[who] + generator.normal(0, 0.5, (60, 16))
    faces = Embeddings.from_raw(raw, EmbeddingSpace("test", "0" * 64, "none", 16))
    counted = ScoreCounts.from_pairs(all_pairs(faces, identities=who))
    first, second = np.triu_indices(60, 1)
    similarity = (faces.vectors @ faces.vectors.T)[first, second]
    same = who[first] == who[second]
    expected = ScoreCounts.from_scores(similarity[same], similarity[~same])
    # Rounding may carry a score over the edge of a bin.
    assert np.abs(np.cumsum(counted.genuine - expected.genuine)).max() <= 1
    assert np.abs(np.cumsum(counted.impostor - expected.impostor)).max() <= 2


def test_labels_the_wrong_way_round_are_refused() -> None:
    genuine, impostor = scores(6)
    with pytest.raises(CalibrationError, match="look at the labels"):
        fit_logistic(ScoreCounts.from_scores(impostor, genuine), bound=WIDE)
    with pytest.raises(InputError, match="genuine must hold"):
        ScoreCounts.from_scores(np.zeros(0), impostor)
