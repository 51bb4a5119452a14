import numpy as np
import pytest
from scipy.stats import binomtest

from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import smallest_claim
from vultus.evaluation.measures.intervals import (
    bootstrap_draws,
    bootstrap_rate,
    check_claim,
    mean_rate_interval,
    percentile_interval,
    rate_bounds,
    rate_interval,
    resampled,
    trials_interval,
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


def _mean_rate_naively(
    hits: np.ndarray, trials: np.ndarray, *, seed: int, draws: int
) -> tuple[float, float]:
    """The same with loops over people: quantiles 2.5 % and 97.5 %."""
    generator = np.random.default_rng(seed)
    n_people = hits.shape[1]
    means = []
    for _ in range(draws):
        chosen = [int(p) for p in np.atleast_1d(generator.integers(0, n_people, n_people))]
        rates = [
            sum(row_hits[p] for p in chosen) / sum(row_trials[p] for p in chosen)
            for row_hits, row_trials in zip(hits, trials, strict=True)
        ]
        means.append(sum(rates) / len(rates))
    low = np.quantile(means, 0.025, method="lower")
    return float(low), float(np.quantile(means, 0.975, method="higher"))


def test_trials_one_by_one_are_counted_per_person() -> None:
    rates = [
        (np.array([True, False, True, True]), np.array([2, 0, 2, 0])),
        (np.array([False, True, False]), np.array([3, 0, 3])),
    ]
    hits = np.array([[1, 0, 2, 0], [1, 0, 0, 0]])
    trials = np.array([[2, 0, 2, 0], [1, 0, 0, 2]])
    found = trials_interval(rates, generator=np.random.default_rng(3), draws=200)
    assert found == mean_rate_interval(hits, trials, generator=np.random.default_rng(3), draws=200)
    assert found.low < found.high
    with pytest.raises(InputError, match="people"):
        trials_interval([(np.array([True]), np.array([0, 1]))], generator=np.random.default_rng(0))


def test_the_interval_agrees_with_loops_over_people() -> None:
    generator = np.random.default_rng(5)
    trials = generator.integers(1, 9, (2, 12))
    hits = generator.integers(0, trials + 1)
    found = mean_rate_interval(hits, trials, generator=np.random.default_rng(3), draws=200)
    assert (found.low, found.high) == pytest.approx(
        _mean_rate_naively(hits, trials, seed=3, draws=200)
    )
    assert found.method == "bootstrap over identities"


def test_one_rate_agrees_with_bootstrap_rate() -> None:
    trials = np.array([[4, 2, 8, 1, 5]])
    hits = np.array([[1, 2, 3, 0, 5]])
    people = np.stack([np.arange(5), np.arange(5)], axis=1)
    found = mean_rate_interval(hits, trials, generator=np.random.default_rng(0))
    other = bootstrap_rate(
        hits[0], trials[0], identities=people, generator=np.random.default_rng(0)
    )
    assert (found.low, found.high) == (other.low, other.high)


def test_people_without_a_trial_are_not_drawn() -> None:
    hits, trials = np.array([[1, 0, 2, 0]]), np.array([[2, 0, 5, 0]])
    with_others = mean_rate_interval(hits, trials, generator=np.random.default_rng(1))
    alone = mean_rate_interval(
        hits[:, [0, 2]], trials[:, [0, 2]], generator=np.random.default_rng(1)
    )
    assert with_others == alone


@pytest.mark.parametrize(
    ("hits", "trials"), [([[0, 0]], [[3, 4]]), ([[3, 4]], [[3, 4]]), ([[2, 0]], [[5, 0]])]
)
def test_nothing_to_resample_gives_the_interval_of_trials(
    hits: list[list[int]], trials: list[list[int]]
) -> None:
    found = mean_rate_interval(np.array(hits), np.array(trials), generator=np.random.default_rng(0))
    assert found == rate_interval(int(np.sum(hits)), int(np.sum(trials)))


def test_a_rate_without_trials_is_refused() -> None:
    with pytest.raises(InputError, match="at least one trial"):
        mean_rate_interval(
            np.zeros((2, 2), np.int64), np.array([[1, 1], [0, 0]]),
            generator=np.random.default_rng(0),
        )  # fmt: skip


def test_bounds_of_many_counts_are_those_of_scipy_one_by_one() -> None:
    low, high = rate_bounds(np.arange(1, 7), 7, level=0.9)
    each = [binomtest(n, 7).proportion_ci(0.9, method="wilson") for n in range(1, 7)]
    assert low.tolist() == pytest.approx([interval.low for interval in each], abs=1e-12)
    assert high.tolist() == pytest.approx([interval.high for interval in each], abs=1e-12)


def test_resampling_draws_as_many_as_there_are_and_leaves_out_what_says_nothing() -> None:
    seen: list[list[float]] = []

    def first_two(came: np.ndarray) -> float | None:
        seen.append(came.tolist())
        return None if came[0] == 0 else float(came[:2].sum())

    values = resampled(first_two, 5, generator=np.random.default_rng(3), draws=40)
    generator = np.random.default_rng(3)
    drawn = [[int(p) for p in generator.integers(0, 5, 5)] for _ in range(40)]
    assert seen == [[row.count(person) for person in range(5)] for row in drawn]
    assert values.tolist() == [row.count(0) + row.count(1) for row in drawn if 0 in row]
    assert 0 < len(values) < 40
    assert not len(resampled(first_two, 0, generator=generator))
    with pytest.raises(InputError, match="draws"):
        resampled(first_two, 5, generator=generator, draws=0)
