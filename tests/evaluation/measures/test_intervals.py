import numpy as np
import pytest
from scipy.stats import binomtest

from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.measures.intervals import (
    bootstrap_draws,
    bootstrap_rate,
    check_claim,
    percentile_interval,
    rate_interval,
    smallest_claim,
)


@pytest.mark.parametrize(("errors", "n"), [(1, 10), (3, 3000), (50, 60), (999, 1000)])
def test_wilson_agrees_with_scipy(errors: int, n: int) -> None:
    ours = rate_interval(errors, n)
    theirs = binomtest(errors, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_rule_of_three_without_an_error() -> None:
    interval = rate_interval(0, 1000)
    assert interval.low == 0
    assert interval.high == pytest.approx(0.003, rel=2e-3)
    mirrored = rate_interval(1000, 1000)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - interval.high, 1.0))
    assert rate_interval(0, 1).high == 1.0


def test_wilson_covers_the_truth_about_95_times_of_100() -> None:
    generator = np.random.default_rng(1)
    hits = generator.binomial(400, 0.03, size=2000)
    inside = [
        rate_interval(int(k), 400).low <= 0.03 <= rate_interval(int(k), 400).high for k in hits
    ]
    assert 0.93 < np.mean(inside) < 0.98


@pytest.mark.parametrize(
    ("errors", "n", "level"),
    [(3, 2, 0.95), (-1, 2, 0.95), (0, 0, 0.95), (1, 2, 1.0)],
)
def test_impossible_counts_are_refused(errors: int, n: int, level: float) -> None:
    with pytest.raises(InputError):
        rate_interval(errors, n, level=level)


def test_claims_below_three_over_n_are_refused() -> None:
    assert smallest_claim(3000) == 1e-3
    assert check_claim("FMR", 1e-3, n=3000) == 1e-3
    with pytest.raises(CalibrationError, match=r"3/n = 0\.001"):
        check_claim("FMR", 9.9e-4, n=3000)
    with pytest.raises(InputError):
        check_claim("FMR", 0.0, n=3000)


def _naive_draws(
    errors: list[int], trials: list[int], ids: list[tuple[int, int]], seed: int, draws: int
) -> list[float]:
    units = sorted({unit for pair in ids for unit in pair})
    generator = np.random.default_rng(seed)
    rates = []
    for _ in range(draws):
        drawn = [units[k] for k in generator.integers(0, len(units), len(units))]
        e = t = 0
        for k, (a, b) in enumerate(ids):
            copies = drawn.count(a) if a == b else drawn.count(a) * drawn.count(b)
            e += copies * errors[k]
            t += copies * trials[k]
        if t:
            rates.append(e / t)
    return rates


def test_bootstrap_agrees_with_loops() -> None:
    errors, trials = [1, 0, 2, 0, 1], [3, 2, 4, 1, 5]
    ids = [(7, 7), (7, 9), (9, 2), (2, 2), (4, 7)]
    ours = bootstrap_draws(
        np.array(errors),
        np.array(trials),
        identities=np.array(ids),
        generator=np.random.default_rng(3),
        draws=50,
    )
    assert ours.tolist() == pytest.approx(_naive_draws(errors, trials, ids, 3, 50))


def test_bootstrap_is_wider_than_wilson_when_people_repeat() -> None:
    # 20 people, 50 comparisons each, all of one person wrong together.
    errors = np.array([50, 50, *[0] * 18])
    trials = np.full(20, 50)
    ids = np.repeat(np.arange(20)[:, None], 2, axis=1)
    generator = np.random.default_rng(0)
    wide = bootstrap_rate(errors, trials, identities=ids, generator=generator)
    narrow = rate_interval(100, 1000)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    assert wide.low < 0.1 < wide.high


def test_bootstrap_depends_only_on_the_generator() -> None:
    data = (np.array([1, 0, 1]), np.array([2, 2, 2]))
    ids = np.array([[0, 0], [1, 1], [2, 2]])
    first, second = (
        bootstrap_rate(*data, identities=ids, generator=np.random.default_rng(5)) for _ in range(2)
    )
    assert first == second


def test_bootstrap_without_comparisons_is_refused() -> None:
    with pytest.raises(InputError, match="no draw"):
        bootstrap_draws(
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
            identities=np.zeros((0, 2), np.int64),
            generator=np.random.default_rng(0),
        )


def test_percentiles_may_be_infinite() -> None:
    interval = percentile_interval(np.array([1.0, 2.0, np.inf, np.inf]))
    assert (interval.low, interval.high) == (1.0, np.inf)
