"""How far the error rates of groups of people lie apart, in one number.

ISO/IEC 19795-10:2024 calls differences between groups performance differentials. NIST sums them up
by the highest rate over the lowest and over the geometric mean (NISTIR 8429), GARBE by the Gini
coefficient. Each is of rates that were found; a group that shows no error has none.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.evaluation.measures.intervals import percentile_interval

Rates = npt.NDArray[np.float64]


def max_over_min(rates: Rates) -> Rates:
    """Highest rate over the lowest; 1 = all alike.

    Args:
        rates: (..., g) float64, at least 0.

    Returns:
        (...) float64; ``inf`` where the lowest is 0 and the highest is not, nan where all are 0.

    Source:
        P. Grother, NISTIR 8429, 2022.

    Example:
        >>> float(max_over_min(np.array([0.01, 0.03, 0.02])))
        3.0
    """
    _check(rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(rates.max(axis=-1) / rates.min(axis=-1))


def max_over_geometric_mean(rates: Rates) -> Rates:
    """Highest rate over the geometric mean of all; 1 = all alike.

    Args:
        rates: (..., g) float64, at least 0.

    Returns:
        (...) float64; ``inf`` where one is 0 and the highest is not, nan where all are 0.

    Source:
        P. Grother, NISTIR 8429, 2022.

    Example:
        >>> round(float(max_over_geometric_mean(np.array([0.01, 0.04]))), 6)
        2.0
    """
    _check(rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.exp(np.log(rates).mean(axis=-1))
        return np.asarray(rates.max(axis=-1) / mean)


def gini(rates: Rates) -> Rates:
    """Gini coefficient with the correction for few groups: 0 = all alike, 1 = one has all errors.

    ``n / (n - 1) * sum_ij |x_i - x_j| / (2 n^2 mean(x))``.

    Args:
        rates: (..., g) float64, at least 0; g at least 2.

    Returns:
        (...) float64 in [0, 1]; nan where all are 0.

    Source:
        J. J. Howard, E. J. Laird, Y. B. Sirotin, R. E. Rubin, J. L. Tipton, A. R. Vemury,
        "Evaluating Proposed Fairness Models for Face Recognition Algorithms", 2022.

    Example:
        >>> float(gini(np.array([1.0, 3.0]))), float(gini(np.array([0.0, 0.0, 5.0])))
        (0.5, 1.0)
    """
    _check(rates)
    n = rates.shape[-1]
    if n < 2:
        raise InputError(f"the Gini coefficient needs at least two groups, got {n}")
    # Of sorted values, each is above k others and below n - 1 - k: no (g, g) table is needed.
    weights = 2 * np.arange(n) - (n - 1)
    apart = 2 * (np.sort(rates, axis=-1) * weights).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(apart / (2 * n * (n - 1) * rates.mean(axis=-1)))


def garbe(fmr: Rates, fnmr: Rates, *, alpha: float = 0.5) -> Rates:
    """Gini Aggregation Rate for Biometric Equitability.

    ``alpha Gini(FMR) + (1 - alpha) Gini(FNMR)``.

    Args:
        fmr: (..., g) float64, false match rates of the groups at one threshold.
        fnmr: (..., g) float64, their false non-match rates; (g may differ: groups whose rate is
            not known are left out of either).
        alpha: Weight of the false matches, in [0, 1].

    Returns:
        (...) float64 in [0, 1], 0 = all alike; nan where all rates of a kind are 0.

    Source:
        As `gini`.

    Example:
        >>> float(garbe(np.array([1e-3, 3e-3]), np.array([0.02, 0.02])))
        0.25
    """
    check_range("alpha", alpha, low=0, high=1)
    return np.asarray(alpha * gini(fmr) + (1 - alpha) * gini(fnmr))


@dataclass(frozen=True, slots=True)
class Differential:
    """One number for how far rates lie apart, with its 95 % interval by draws of people.

    Attributes:
        value: Of the rates as they were found; None where no number says it (a rate of 0).
        low: Lower end of the interval; None without draws.
        high: Upper end; None without draws, and where draws hold rates of 0, so that it has none.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def differential(
    measure: Callable[..., Rates], rates: Sequence[Rates], *, draws: Sequence[Rates] = ()
) -> Differential:
    """A measure of rates, with the interval that the same measure has over draws of people.

    Args:
        measure: `max_over_min`, `max_over_geometric_mean`, `gini` or `garbe`.
        rates: What it takes: (g,) float64 each.
        draws: The same in each of b draws of people: (b, g) float64 each. Draws of which the
            measure says nothing are left out.

    Example:
        >>> differential(gini, [np.array([1.0, 3.0])]).value
        0.5
    """
    value = float(measure(*rates))
    found = np.asarray(measure(*draws), np.float64).ravel() if draws else np.zeros(0)
    known = found[~np.isnan(found)]
    if not len(known):
        return Differential(_finite(value))
    interval = percentile_interval(known)
    return Differential(_finite(value), _finite(interval.low), _finite(interval.high))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _check(rates: Rates) -> None:
    if not rates.ndim or not rates.shape[-1]:
        raise InputError(f"rates must be of at least one group, got shape {rates.shape}")
    # nan passes through: of a draw of people that held nothing to compare.
    if (rates < 0).any():
        raise InputError(f"rates must be at least 0, got {np.nanmin(rates)}")
