import numpy as np
import pytest
from scipy import stats

from vultus.core.errors import InputError
from vultus.evaluation.calibration.tail import ParetoTail, fit_pareto_tail


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
