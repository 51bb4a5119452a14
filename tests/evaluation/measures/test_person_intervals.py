import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.measures.intervals import (
    bootstrap_rate,
    mean_rate_interval,
    per_person,
    rate_interval,
)


def _draws(hits: np.ndarray, trials: np.ndarray, *, seed: int, draws: int) -> tuple[float, float]:
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


def test_hits_and_trials_are_counted_per_person() -> None:
    hits, trials = per_person(
        np.array([True, False, True, True]), np.array([2, 0, 2, 0]), n_people=4
    )
    assert hits.tolist() == [1, 0, 2, 0]
    assert trials.tolist() == [2, 0, 2, 0]


def test_the_interval_agrees_with_loops_over_people() -> None:
    generator = np.random.default_rng(5)
    trials = generator.integers(1, 9, (2, 12))
    hits = generator.integers(0, trials + 1)
    found = mean_rate_interval(hits, trials, generator=np.random.default_rng(3), draws=200)
    assert (found.low, found.high) == pytest.approx(_draws(hits, trials, seed=3, draws=200))
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
