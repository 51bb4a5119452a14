"""The figures of one set of comparisons, with their counts and intervals."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vultus.core.thresholds import smallest_claim
from vultus.evaluation.measures.intervals import Interval
from vultus.evaluation.measures.rates import (
    OperatingPoint,
    RocCurve,
    operating_point,
)

DECADES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""The false match rates that are reported where the data can carry them."""


class RateIntervals(Protocol):
    """Comparisons that know whose they are, and so the intervals of their rates."""

    @property
    def tail_floor(self) -> float:
        """`fmr_interval` answers above this threshold only."""
        ...

    def fmr_interval(self, threshold: float, *, generator: np.random.Generator) -> Interval:
        """95 % interval of the FMR at a threshold."""
        ...

    def tar_interval(self, threshold: float, *, generator: np.random.Generator) -> Interval:
        """95 % interval of the TAR at a threshold."""
        ...


@dataclass(frozen=True, slots=True)
class MeasuredPoint:
    """An operating point and the intervals that are to be quoted with it.

    Attributes:
        point: Rates and counts.
        fmr_interval: 95 % interval of the FMR.
        tar_interval: 95 % interval of the TAR. Either comes from the bootstrap over identities
            where every photo met every other and there are errors to resample.
    """

    point: OperatingPoint
    fmr_interval: Interval
    tar_interval: Interval


@dataclass(frozen=True, slots=True)
class Summary:
    """What a set of comparisons says.

    Attributes:
        curve: The ROC.
        points: At each of `DECADES` that the data can carry, strictest last.
    """

    curve: RocCurve
    points: tuple[MeasuredPoint, ...]

    def at(self, fmr: float) -> OperatingPoint:
        """The operating point at a rate of one's own.

        Raises:
            CalibrationError: If the data cannot carry it.
        """
        return operating_point(self.curve, fmr=fmr)


def claimable(n_impostor: int) -> tuple[float, ...]:
    """Those of `DECADES` that ``n_impostor`` comparisons can carry (3 / n), strictest last."""
    return tuple(fmr for fmr in DECADES if fmr >= smallest_claim(n_impostor))


def default_fmr(n_impostor: int, *, usual: float = 1e-3) -> float | None:
    """``usual``, or the strictest rate that the data can carry: a decade, else 3 / n.

    None below three comparisons.
    """
    rates = [fmr for fmr in claimable(n_impostor) if fmr >= usual]
    if rates:
        return rates[-1]
    return smallest_claim(n_impostor) if n_impostor >= 3 else None


def summarise(
    curve: RocCurve,
    *,
    pairs: RateIntervals | None = None,
    generator: np.random.Generator | None = None,
) -> Summary:
    """Take the operating points of a curve.

    Args:
        curve: Of the comparisons.
        pairs: The comparisons behind it, where it is known whose they are (`all_pairs`);
            intervals then come from the bootstrap over identities. None takes Wilson's.
        generator: Source of randomness of the bootstrap; None seeds one with 0, so that a report
            can be made again.
    """
    chosen = np.random.default_rng(0) if generator is None else generator
    points = []
    for fmr in claimable(curve.n_impostor):
        point = operating_point(curve, fmr=fmr)
        points.append(_measured(point, pairs, chosen))
    return Summary(curve, tuple(points))


def _measured(
    point: OperatingPoint, pairs: RateIntervals | None, generator: np.random.Generator
) -> MeasuredPoint:
    fmr, tar = point.fmr_interval, point.tar_interval
    # Without an error every draw says 0: the rule of three knows more than the bootstrap.
    if pairs is not None and 0 < point.n_true_matches < point.n_genuine:
        tar = pairs.tar_interval(point.threshold, generator=generator)
    if pairs is not None and point.n_false_matches and point.threshold > pairs.tail_floor:
        fmr = pairs.fmr_interval(point.threshold, generator=generator)
    return MeasuredPoint(point, fmr, tar)
