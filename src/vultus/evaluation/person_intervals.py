"""Intervals of rates whose trials belong to people: whole people are drawn, not trials."""

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int
from vultus.core.errors import InputError
from vultus.evaluation.intervals import (
    BOOTSTRAP_DRAWS,
    Interval,
    percentile_interval,
    rate_interval,
)

__all__ = ["mean_rate_interval", "per_person"]


def per_person(
    hits: npt.NDArray[np.bool_], people: npt.NDArray[np.int64], *, n_people: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hits and trials of each person.

    Args:
        hits: (n,) bool, one a trial.
        people: (n,) int64 in 0 .. n_people - 1, whose each trial is.
        n_people: How many people there are.

    Returns:
        Two (n_people,) int64: hits, and trials.
    """
    check_array("hits", hits, dtype=np.bool_, shape=("n",))
    check_array("people", people, dtype=np.int64, shape=hits.shape)
    return (
        np.bincount(people[hits], minlength=n_people).astype(np.int64),
        np.bincount(people, minlength=n_people).astype(np.int64),
    )


def mean_rate_interval(
    hits: npt.NDArray[np.int64],
    trials: npt.NDArray[np.int64],
    *,
    generator: np.random.Generator,
    draws: int = BOOTSTRAP_DRAWS,
) -> Interval:
    """95 % interval of the mean of several rates that are about the same people.

    People are drawn with replacement, as many as there are, and count in every rate as often as
    they came. Where there is nothing to resample (no error, nothing but errors, or all trials of
    one person) it is `rate_interval` of all trials together.

    Args:
        hits: (t, p) int64, hits of each rate (row) and person (column).
        trials: (t, p) int64, trials; every row has at least one.
        generator: Source of randomness.
        draws: How many times to draw.

    Raises:
        InputError: If shapes do not match, or a rate has no trial.
    """
    check_array("hits", hits, dtype=np.int64, shape=("t", "p"))
    check_array("trials", trials, dtype=np.int64, shape=hits.shape)
    check_positive_int("draws", draws)
    if not hits.size or not trials.sum(axis=1).all():
        raise InputError("every rate must have at least one trial, got one without")
    busy = np.flatnonzero(trials.sum(axis=0))
    n_hits, n_trials = int(hits.sum()), int(trials.sum())
    if len(busy) < 2 or n_hits in (0, n_trials):
        return rate_interval(n_hits, n_trials)
    numbers = np.concatenate([hits[:, busy], trials[:, busy]]).astype(np.float64)
    rates = []
    for _ in range(draws):
        drawn = np.bincount(generator.integers(0, len(busy), len(busy)), minlength=len(busy))
        found, tried = np.split(numbers @ drawn, 2)
        if tried.all():
            rates.append(float((found / tried).mean()))
    # A rate whose few people are missed by every draw leaves none.
    return percentile_interval(np.array(rates)) if rates else rate_interval(n_hits, n_trials)
