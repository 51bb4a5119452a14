"""Thresholds at false match rates, and what they give on other people."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vultus.core.errors import CalibrationError
from vultus.core.thresholds import ThresholdTable
from vultus.evaluation.measures.allpairs import AllPairs
from vultus.evaluation.measures.intervals import BOOTSTRAP_DRAWS, Z_95, Interval
from vultus.evaluation.measures.rates import OperatingPoint, operating_point, point_at
from vultus.evaluation.measures.summary import claimable

_MANY_ERRORS = 100_000
_FEW_DRAWS = 200


@dataclass(frozen=True, slots=True)
class FmrCheck:
    """One threshold on the people who set it and on others.

    Attributes:
        target_fmr: The rate that was asked for.
        stated: Rates and counts where the threshold was set.
        stated_interval: 95 % interval of that FMR, people drawn anew.
        held_out: Rates and counts at the same threshold on people held out.
        held_out_interval: 95 % interval of that FMR.
    """

    target_fmr: float
    stated: OperatingPoint
    stated_interval: Interval
    held_out: OperatingPoint
    held_out_interval: Interval

    @property
    def holds(self) -> bool:
        """Whether the rate is not higher on other people, beyond the uncertainty of both."""
        return not_higher(
            (self.held_out.fmr, self.held_out_interval), (self.stated.fmr, self.stated_interval)
        )

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "target_fmr": self.target_fmr,
            "threshold": self.stated.threshold,
            "stated": _figures(self.stated, self.stated_interval),
            "held_out": _figures(self.held_out, self.held_out_interval),
            "holds": self.holds,
        }


def threshold_table(pairs: AllPairs, *, origin: str) -> ThresholdTable:
    """The thresholds at 1e-1, 1e-2 ... 1e-6, as far as the impostor comparisons carry them.

    The people must not have been used to train the model, and should be like those that it will
    meet. Two names for one person, or a photo filed under the wrong name, raise the strictest
    thresholds: look at the pictures of ``pairs.impostors.tail_pairs[:50]`` first.

    Args:
        pairs: Every face against every other, of `all_pairs`.
        origin: Where the faces come from, in words; stands on every threshold.

    Returns:
        Measured points only; each says its FMR and on how many comparisons.

    Raises:
        CalibrationError: If there are fewer than 30 impostor comparisons (3 / n > 0.1).
        InputError: If there is no genuine or no impostor comparison.
    """
    curve = pairs.curve()
    rates = claimable(curve.n_impostor)
    if not rates:
        raise CalibrationError(
            "calibration needs at least 30 impostor comparisons, "
            f"got {curve.n_impostor}; bring more people"
        )
    points = [operating_point(curve, fmr=rate) for rate in rates]
    # Two targets may meet at one threshold; it is told once.
    distinct = {point.threshold: point for point in points}
    return ThresholdTable(tuple(point.to_threshold(origin) for point in distinct.values()))


def check_fmr(
    fmr: float, *, fit: AllPairs, held_out: AllPairs, generator: np.random.Generator
) -> FmrCheck:
    """Set a threshold on some people and measure it on others.

    Args:
        fmr: Target false match rate in (0, 1].
        fit: Every face against every other, of the people who set the threshold.
        held_out: The same of other people.
        generator: Source of randomness of the bootstrap.

    Raises:
        CalibrationError: If ``fit`` cannot carry the rate, or no score is accepted at it.
    """
    stated = operating_point(fit.curve(), fmr=fmr)
    stated.to_threshold("")  # raises where nothing may match
    measured = point_at(held_out.curve(), threshold=stated.threshold)
    return FmrCheck(
        fmr, stated, _interval(fit, stated, generator), measured,
        _interval(held_out, measured, generator),
    )  # fmt: skip


def not_higher(seen: tuple[float, Interval], stated: tuple[float, Interval]) -> bool:
    """Whether a rate that was seen may be the stated one, or is lower.

    Both have 95 % intervals. The logarithms may differ by 1.96 standard errors of the difference,
    read off the intervals; where an interval begins at 0, seen must begin below stated's end.
    """
    (rate, interval), (limit, limit_interval) = seen, stated
    if min(interval.low, limit_interval.low) == 0:
        return interval.low <= limit_interval.high
    errors = [math.log(x.high / x.low) / (2 * Z_95) for x in (interval, limit_interval)]
    return math.log(rate / limit) <= Z_95 * math.hypot(*errors)


def _interval(pairs: AllPairs, point: OperatingPoint, generator: np.random.Generator) -> Interval:
    """Bootstrap over people where the pairs behind the errors are kept, else Wilson's."""
    if not point.n_false_matches or point.threshold <= pairs.tail_floor:
        return point.fmr_interval
    draws = BOOTSTRAP_DRAWS if point.n_false_matches < _MANY_ERRORS else _FEW_DRAWS
    return pairs.fmr_interval(point.threshold, generator=generator, draws=draws)


def _figures(point: OperatingPoint, interval: Interval) -> dict[str, Any]:
    return {
        "fmr": point.fmr,
        "fmr_interval": interval.to_dict(),
        "n_impostor": point.n_impostor,
        "tar": point.tar,
        "n_genuine": point.n_genuine,
    }
