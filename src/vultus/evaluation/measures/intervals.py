"""Intervals of error rates: Wilson, the rule of three, and the bootstrap over identities.

Comparisons that share a face or a person are not independent. Wilson's interval treats them as if
they were and is then too narrow; `bootstrap_rate` draws whole identities and is the one to
quote wherever a photo or a person takes part in more than one comparison.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_range
from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import smallest_claim

BOOTSTRAP_DRAWS = 1000
Z_95 = NormalDist().inv_cdf(0.975)
"""Half the width of a 95 % interval of a normal variable, in standard deviations."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a rate, or of a ratio of rates.

    Attributes:
        low: Lower end.
        high: Upper end; may be ``inf`` for a ratio.
        level: Confidence level in (0, 1).
        method: How it was found: ``"Wilson"``, ``"rule of three"`` (both take the trials as
            independent) or ``"bootstrap over identities"``.
    """

    low: float
    high: float
    level: float = 0.95
    method: str = "Wilson"

    def __str__(self) -> str:
        return f"[{self.low:.4g}, {self.high:.4g}]"

    def to_dict(self) -> dict[str, float | str]:
        """The fields, fit for JSON."""
        return {"low": self.low, "high": self.high, "level": self.level, "method": self.method}


def rate_interval(n_errors: int, n: int, *, level: float = 0.95) -> Interval:
    """Interval of a rate from ``n_errors`` in ``n`` independent trials.

    Wilson's score interval; with no error at all (or nothing but errors) the rule of three takes
    its place: the rate is at most ``-ln(1 - level) / n``, which is 3 / n at 95 %.

    Args:
        n_errors: How many trials went wrong, 0 .. n.
        n: How many trials, at least 1.
        level: Confidence level in (0, 1).

    Raises:
        InputError: If a count or the level is out of range.

    Source:
        E. B. Wilson, JASA 22, 1927; B. D. Jovanovic and P. S. Levy, Am. Stat. 51, 1997.

    Example:
        >>> print(rate_interval(0, 3000))
        [0, 0.0009986]
    """
    check_positive_int("n", n)
    check_positive_int("n_errors", n_errors, minimum=0)
    check_range("level", level, low=0, high=1, low_open=True, high_open=True)
    if n_errors > n:
        raise InputError(f"n_errors must be at most n = {n}, got {n_errors}")
    low, high = rate_bounds(np.array(n_errors), n, level=level)
    method = "rule of three" if n_errors in (0, n) else "Wilson"
    return Interval(float(low), float(high), level, method)


def rate_bounds(
    n_errors: npt.NDArray[np.int64], n: int, *, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Lower and upper ends of `rate_interval` for many counts at once, of any shape, unchecked."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate, spread = n_errors / n, z * z / n
    middle = (rate + spread / 2) / (1 + spread)
    half = np.sqrt(rate * (1 - rate) * spread + spread * spread / 4) / (1 + spread)
    bound = min(1.0, -math.log(1 - level) / n)
    low = np.where(n_errors == n, 1 - bound, np.where(n_errors == 0, 0.0, middle - half))
    high = np.where(n_errors == 0, bound, np.where(n_errors == n, 1.0, middle + half))
    return low.clip(0, 1), high.clip(0, 1)


def check_claim(name: str, rate: float, *, n: int) -> float:
    """Refuse a rate that the data cannot carry, and return it otherwise.

    Args:
        name: What the message calls the rate, e.g. ``"FMR"``.
        rate: The rate asked for, in (0, 1].
        n: How many comparisons or searches there are.

    Raises:
        InputError: If the rate is outside (0, 1].
        CalibrationError: If it is below 3 / n.
    """
    check_range(name, rate, low=0, high=1, low_open=True)
    if rate < smallest_claim(n):
        raise CalibrationError(
            f"{name} {rate:.3g} cannot be measured on {n:,} comparisons: the lowest that they "
            f"carry is 3/n = {smallest_claim(n):.3g}; ask for that or more, or bring more people"
        )
    return rate


def bootstrap_rate(
    n_errors: npt.NDArray[np.int64],
    n_trials: npt.NDArray[np.int64],
    *,
    identities: npt.NDArray[np.int64],
    generator: np.random.Generator,
    draws: int = BOOTSTRAP_DRAWS,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of sum(n_errors) / sum(n_trials) when identities are drawn anew.

    Args:
        n_errors: (k,) int64, errors of each row.
        n_trials: (k,) int64, comparisons of each row.
        identities: (k, 2) int64, the two identities of each row, see `bootstrap_draws`.
        generator: Source of randomness.
        draws: How many times to draw.
        level: Confidence level in (0, 1).

    Raises:
        InputError: If shapes or dtypes do not match, or there is no comparison at all.
    """
    rates = bootstrap_draws(
        n_errors, n_trials, identities=identities, generator=generator, draws=draws
    )
    return percentile_interval(rates, level=level)


def bootstrap_draws(
    n_errors: npt.NDArray[np.int64],
    n_trials: npt.NDArray[np.int64],
    *,
    identities: npt.NDArray[np.int64],
    generator: np.random.Generator,
    draws: int = BOOTSTRAP_DRAWS,
) -> Floats:
    """The rate in each of many draws of identities, with replacement.

    A draw takes as many identities as there are. A row about two different identities then counts
    as often as the product of their multiplicities, a row about one identity as often as that
    identity came (copies of one person are not compared).

    Args:
        n_errors: (k,) int64, errors of each row.
        n_trials: (k,) int64, comparisons of each row; rows of one pair of identities may be
            given apart or added up.
        identities: (k, 2) int64, the two identities of each row, equal for genuine rows; any
            unit that is independent of the others will do (person, family, camera).
        generator: Source of randomness.
        draws: How many times to draw.

    Returns:
        (at most draws,) float64; a draw that holds no comparison says nothing and is left out.

    Raises:
        InputError: If shapes or dtypes do not match, or no draw held a comparison.
    """
    check_array("n_errors", n_errors, dtype=np.int64, shape=("k",))
    check_array("n_trials", n_trials, dtype=np.int64, shape=n_errors.shape)
    check_array("identities", identities, dtype=np.int64, shape=(len(n_errors), 2))
    units, flat = np.unique(identities, return_inverse=True)
    one, other = flat.reshape(-1, 2).T

    def rate(came: Floats) -> float | None:
        weights = np.where(one == other, came[one], came[one] * came[other])
        total = float(weights @ n_trials)
        return float(weights @ n_errors) / total if total else None

    rates = resampled(rate, len(units), generator=generator, draws=draws)
    if not len(rates):
        raise InputError("the bootstrap needs comparisons and identities, no draw held any")
    return rates


def resampled(
    statistic: Callable[[Floats], float | None],
    n: int,
    *,
    generator: np.random.Generator,
    draws: int = BOOTSTRAP_DRAWS,
) -> Floats:
    """A figure in each of many draws of n people, n at a time, with replacement.

    Args:
        statistic: Makes the figure of (n,) float64: how often each of them came. None where they
            say nothing; that draw is left out.
        n: How many people, or other units that are independent of each other.
        generator: Source of randomness.
        draws: How many times to draw.

    Returns:
        (at most draws,) float64.
    """
    values = []
    for _ in range(check_positive_int("draws", draws) if n else 0):
        came = np.bincount(generator.integers(0, n, n), minlength=n).astype(np.float64)
        value = statistic(came)
        if value is not None:
            values.append(value)
    return np.array(values, np.float64)


def percentile_interval(values: Floats, *, level: float = 0.95) -> Interval:
    """The central share ``level`` of bootstrap draws; ``inf`` may be among them."""
    check_range("level", level, low=0, high=1, low_open=True, high_open=True)
    tail = (1 - level) / 2
    # No interpolation: between a number and inf there is nothing to interpolate.
    low = np.quantile(values, tail, method="lower")
    high = np.quantile(values, 1 - tail, method="higher")
    return Interval(float(low), float(high), level, "bootstrap over identities")


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
    if not hits.size or not trials.sum(axis=1).all():
        raise InputError("every rate must have at least one trial, got one without")
    busy = np.flatnonzero(trials.sum(axis=0))
    n_hits, n_trials = int(hits.sum()), int(trials.sum())
    if len(busy) < 2 or n_hits in (0, n_trials):
        return rate_interval(n_hits, n_trials)
    numbers = np.concatenate([hits[:, busy], trials[:, busy]]).astype(np.float64)

    def mean_rate(came: Floats) -> float | None:
        found, tried = np.split(numbers @ came, 2)
        return float((found / tried).mean()) if tried.all() else None

    rates = resampled(mean_rate, len(busy), generator=generator, draws=draws)
    # A rate whose few people are missed by every draw leaves none.
    return percentile_interval(rates) if len(rates) else rate_interval(n_hits, n_trials)


def trials_interval(
    rates: Sequence[tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]],
    *,
    generator: np.random.Generator,
    draws: int = BOOTSTRAP_DRAWS,
) -> Interval:
    """`mean_rate_interval` of rates whose trials are given one by one.

    Args:
        rates: Of each rate, (n,) bool hits and (n,) int64, whose each trial is: the same number for
            a person in every rate, 0 or more.
        generator: Source of randomness.
        draws: How many times to draw.

    Raises:
        InputError: If shapes or dtypes do not match, or a rate has no trial.
    """
    for hits, people in rates:
        check_array("hits", hits, dtype=np.bool_, shape=("n",))
        check_array("people", people, dtype=np.int64, shape=hits.shape)
    n_people = 1 + max(int(people.max(initial=0)) for _, people in rates)
    found = [np.bincount(people[hits], minlength=n_people) for hits, people in rates]
    tried = [np.bincount(people, minlength=n_people) for _, people in rates]
    return mean_rate_interval(
        np.stack(found).astype(np.int64),
        np.stack(tried).astype(np.int64),
        generator=generator,
        draws=draws,
    )
