"""The Pareto tail, against SciPy, and what it promises, against people who are drawn anew."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import ThresholdTable
from vultus.evaluation.calibration.tail import (
    FmrTail,
    ParetoTail,
    fit_fmr_tail,
    fit_pareto_tail,
)
from vultus.evaluation.measures.allpairs import all_pairs

DIM = 24
SPACE = EmbeddingSpace("test", "0" * 64, "none", DIM)


@pytest.mark.parametrize("shape", [-0.4, -0.1, 0.0, 0.3])
def test_the_fit_is_scipys_maximum_of_the_likelihood(shape: float) -> None:
    drawn = stats.genpareto(shape, scale=0.05).rvs(3000, random_state=1)
    tail = fit_pareto_tail(drawn, np.ones(len(drawn)))
    expected, _, scale = stats.genpareto.fit(drawn, floc=0)
    assert tail.shape == pytest.approx(expected, abs=0.01)
    assert tail.scale == pytest.approx(scale, rel=0.02)
    assert tail.shape == pytest.approx(shape, abs=0.08)


def test_weights_count_as_repetitions() -> None:
    drawn = stats.genpareto(-0.2, scale=1).rvs(200, random_state=2)
    counts = np.arange(200) % 4
    weighted = fit_pareto_tail(drawn, counts.astype(np.float64))
    assert weighted == fit_pareto_tail(np.repeat(drawn, counts), np.ones(counts.sum()))


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.5])
def test_survival_and_quantile_are_inverse_and_scipys(shape: float) -> None:
    tail, reference = ParetoTail(shape, 0.1), stats.genpareto(shape, scale=0.1)
    chances = np.array([1, 0.5, 0.01, 1e-5])
    np.testing.assert_allclose(tail.quantile(chances), reference.isf(chances), atol=1e-12)
    np.testing.assert_allclose(tail.survival(tail.quantile(chances)), chances, rtol=1e-9)


def test_no_excess_is_refused() -> None:
    for excesses, weights in (([], []), ([0.1, -0.1], [1, 1]), ([0.1], [0])):
        with pytest.raises(InputError):
            fit_pareto_tail(np.array(excesses, np.float64), np.array(weights, np.float64))


def strangers(seed: int, n: int) -> Embeddings:
    """Some of whom resemble many, as in life."""
    generator = np.random.default_rng(seed)
    raw = generator.normal(size=(n, DIM)) + generator.uniform(0, 0.6, (n, 1))
    return Embeddings.from_raw(raw, SPACE)


def fitted(seed: int, n: int) -> FmrTail:
    pairs = all_pairs(strangers(seed, n), identities=np.arange(n))
    return fit_fmr_tail(pairs, generator=np.random.default_rng(seed))


def counted(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rates among 6,000 others: 18 million comparisons."""
    vectors = strangers(99, 6000).vectors
    scores = np.sort((vectors @ vectors.T)[np.triu_indices(6000, 1)])
    return 1 - np.searchsorted(scores, thresholds) / len(scores)


def test_the_promise_holds_on_others_where_the_people_could_not_count_it() -> None:
    rates = (1e-4, 1e-5)  # 500 people carry 2.4e-5 by the rule of three
    found = [fitted(seed, 500).thresholds(rates, origin="simulated") for seed in range(8)]
    assert all(len(points) == 2 for points in found)
    seen = counted(np.array([[point.similarity for point in points] for points in found]))
    # Upper ends of 95 % intervals: most of them hold, and none is far off.
    assert (seen <= rates).mean() >= 0.75
    assert (seen <= 3 * np.array(rates)).all()
    assert (seen >= 0.02 * np.array(rates)).all()


def test_a_point_tells_what_was_counted_and_what_is_the_tails() -> None:
    tail = fitted(0, 500)
    (point,) = tail.thresholds([1e-5], origin="simulated")
    assert point.extrapolated
    assert point.fmr == 1e-5
    assert point.n_impostor == 500 * 499 // 2
    assert point.fmr_by_tail is not None
    assert 0 < point.fmr_by_tail < 1e-5
    assert point.n_false == int((tail.scores >= point.similarity).sum())
    assert ThresholdTable((point,)).at_fmr(1e-5) == point
    assert tail.thresholds([1e-7], origin="") == []  # below 0.1 / pairs


def test_photos_of_the_same_two_people_are_told_once() -> None:
    photos = 12
    raw = np.repeat(strangers(3, 60).vectors, photos, axis=0)
    raw += np.random.default_rng(3).normal(0, 0.02, raw.shape).astype(np.float32)
    pairs = all_pairs(Embeddings.from_raw(raw, SPACE), identities=np.repeat(np.arange(60), photos))
    tail = fit_fmr_tail(pairs, generator=np.random.default_rng(3))
    (point,) = tail.thresholds([1e-2], origin="simulated")
    reached = int((tail.scores >= point.similarity).sum())
    assert point.n_false is not None
    assert 0 < point.n_false <= reached / 20
    assert point.n_impostor == 60 * 59 // 2


def test_the_spread_holds_the_rate_and_grows_where_pairs_end() -> None:
    spread = fitted(1, 500).spread()
    assert (spread.lows <= 1).all()
    assert (spread.highs >= 1).all()
    assert spread.highs[-1] > 2 * spread.highs[0]


def test_too_few_comparisons_have_no_tail() -> None:
    pairs = all_pairs(strangers(0, 90), identities=np.arange(90))
    with pytest.raises(CalibrationError, match="5,000 impostor comparisons, there are 4,005"):
        fit_fmr_tail(pairs, generator=np.random.default_rng(0))
