import math
from itertools import product

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.measures.differentials import (
    differential,
    garbe,
    gini,
    max_over_geometric_mean,
    max_over_min,
)


def test_gini_by_hand() -> None:
    # |1-2| + |1-3| + |2-3| = 4, both ways 8; 2 n^2 mean = 36; times n / (n - 1) = 3 / 2.
    assert gini(np.array([3.0, 1.0, 2.0])) == pytest.approx(8 / 36 * 3 / 2)
    assert gini(np.array([0.2, 0.2, 0.2])) == pytest.approx(0)
    assert gini(np.array([0.0, 0.0, 0.0, 7.0])) == pytest.approx(1)


def test_gini_is_the_naive_double_sum() -> None:
    rates = np.random.default_rng(0).random((6, 7))
    for own in rates:
        n = len(own)
        apart = sum(abs(a - b) for a, b in product(own.tolist(), repeat=2))
        expected = n / (n - 1) * apart / (2 * n * n * own.mean())
        assert gini(own) == pytest.approx(expected)
    assert gini(rates).tolist() == pytest.approx([float(gini(own)) for own in rates])


def test_garbe_by_hand() -> None:
    fmr, fnmr = np.array([1e-3, 3e-3]), np.array([0.1, 0.2, 0.3])
    # Gini 0.5 and, of 1 : 2 : 3, one third.
    assert garbe(fmr, fnmr) == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert garbe(fmr, fnmr, alpha=1) == pytest.approx(1 / 2)
    assert garbe(fmr, fnmr, alpha=0.25) == pytest.approx(0.25 / 2 + 0.75 / 3)


def test_ratios_by_hand() -> None:
    rates = np.array([0.02, 0.01, 0.08])
    assert max_over_min(rates) == pytest.approx(8)
    assert max_over_geometric_mean(rates) == pytest.approx(0.08 / (0.02 * 0.01 * 0.08) ** (1 / 3))


def test_rates_of_zero() -> None:
    some, none = np.array([0.0, 0.1]), np.zeros(2)
    assert max_over_min(some) == math.inf
    assert max_over_geometric_mean(some) == math.inf
    for measure in (max_over_min, max_over_geometric_mean, gini):
        assert math.isnan(measure(none))
        assert differential(measure, [none]).value is None


def test_the_interval_is_of_the_same_measure_over_the_draws() -> None:
    generator = np.random.default_rng(1)
    draws = generator.uniform(0.5, 1.5, (400, 3)) * np.array([1.0, 2.0, 4.0])
    found = differential(max_over_min, [np.array([1.0, 2.0, 4.0])], draws=[draws])
    values = np.sort(draws.max(axis=1) / draws.min(axis=1))
    assert found.value == 4
    assert found.low is not None
    assert found.high is not None
    assert values[8] <= found.low <= values[10]
    assert values[388] <= found.high <= values[391]


def test_draws_that_say_nothing_are_left_out() -> None:
    draws = np.array([[0.0, 0.0], [1.0, 2.0], [np.nan, 1.0], [1.0, 2.0]])
    found = differential(max_over_min, [np.array([1.0, 2.0])], draws=[draws])
    assert (found.low, found.high) == (2, 2)


def test_draws_with_a_rate_of_zero_leave_the_interval_open() -> None:
    draws = np.array([[0.0, 2.0], [1.0, 2.0], [1.0, 3.0]])
    found = differential(max_over_min, [np.array([1.0, 2.0])], draws=[draws])
    assert (found.value, found.low, found.high) == (2, 2, None)


def test_what_is_no_rate_is_refused() -> None:
    with pytest.raises(InputError, match="at least two groups, got 1"):
        gini(np.array([0.5]))
    with pytest.raises(InputError, match=r"at least 0, got -0\.5"):
        max_over_min(np.array([0.5, -0.5]))
    with pytest.raises(InputError, match="at least one group"):
        max_over_min(np.zeros((3, 0)))
    with pytest.raises(InputError, match="alpha"):
        garbe(np.array([0.1, 0.2]), np.array([0.1, 0.2]), alpha=2)
