"""The tail of impostor scores beyond what can be counted: a generalised Pareto distribution.

A million strangers' pairs count a false match rate down to a few in a million. Below, the highest
scores are taken for draws from a Pareto tail (peaks over a threshold), in the manner of ISO/IEC
5152 for small samples; the upper end of the interval is what may be promised. Comparisons that
share a person are not independent, so people are drawn anew, and each draw is fitted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import CalibrationError, InputError
from vultus.core.rows import freeze_arrays
from vultus.core.thresholds import Threshold, smallest_extrapolation
from vultus.evaluation.measures.allpairs import AllPairs
from vultus.evaluation.measures.intervals import resampled
from vultus.matching.fpir_levels import RateSpread

MIN_EXCESSES, MAX_EXCESSES = 50, 1000
"""So many of the highest scores are fitted: a hundredth of all, within these."""

DRAWS = 500
_STEP = 1 / 1024
_COUNTED = 50


SHAPES = (-0.9, 0.9)
"""Outside, the likelihood has no maximum worth having (below -1 it grows without bound)."""


@dataclass(frozen=True, slots=True)
class ParetoTail:
    """P(excess > y) = (1 + shape * y / scale)^(-1 / shape), y >= 0.

    Attributes:
        shape: xi; below 0 the tail ends at -scale / shape, at 0 it is exponential.
        scale: sigma > 0, in the unit of the excesses.
    """

    shape: float
    scale: float

    def survival(self, excess: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(excess > y) for each y >= 0."""
        y = np.asarray(excess, np.float64) / self.scale
        if abs(self.shape) < 1e-9:
            return np.asarray(np.exp(-y))
        inside = np.maximum(1 + self.shape * y, 0)
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(-np.log(inside) / self.shape))

    def quantile(self, survival: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The excess that is passed with each probability in (0, 1]."""
        logs = -np.log(np.asarray(survival, np.float64))
        if abs(self.shape) < 1e-9:
            return np.asarray(self.scale * logs)
        return np.asarray(self.scale * np.expm1(self.shape * logs) / self.shape)


def fit_pareto_tail(
    excesses: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> ParetoTail:
    """Weighted maximum likelihood.

    Args:
        excesses: (n,) float64 above a threshold, positive.
        weights: (n,) float64, how often each counts; at least one positive.

    Raises:
        InputError: If there is no excess, or one is not positive.

    Source:
        J. Pickands, Ann. Statist. 3, 1975; S. D. Grimshaw, Technometrics 35, 1993 (with
        theta = shape / scale the shape is the mean of ln(1 + theta y), which leaves one unknown).
    """
    check_array("excesses", excesses, dtype=np.float64, shape=("n",))
    check_array("weights", weights, dtype=np.float64, shape=excesses.shape)
    if not weights.sum() > 0 or not (excesses > 0).all():
        raise InputError("excesses must be positive and some of their weights too")
    counted = weights > 0
    excesses, share = excesses[counted], weights[counted] / weights.sum()
    mean, largest = float(share @ excesses), float(excesses.max())
    best = (-math.log(mean) - 1, ParetoTail(0.0, mean))
    for theta in _thetas(mean, largest):
        shape = float(share @ np.log1p(theta * excesses))
        if not SHAPES[0] <= shape <= SHAPES[1] or abs(shape) < 1e-9:
            continue
        likelihood = -math.log(shape / theta) - shape - 1
        if likelihood > best[0]:
            best = (likelihood, ParetoTail(shape, shape / theta))
    return best[1]


def _thetas(mean: float, largest: float) -> npt.NDArray[np.float64]:
    # theta > -1 / largest, or the largest excess would lie beyond the end of the tail.
    below = -(1 - np.geomspace(1e-4, 0.9999, 200)) / largest
    above = np.geomspace(1e-4, 1e2, 200) / mean
    return np.concatenate([below, above])


@dataclass(frozen=True, slots=True, eq=False)
class FmrTail:
    """False match rates above a similarity, by a tail fitted to the scores there.

    Attributes:
        start: The similarity where the tail begins.
        share: Of all comparisons, how many reach it.
        pareto: The tail.
        n_people: How many people were compared.
        n_impostor: With how many comparisons.
        scores: (k,) float32, the scores that were fitted, falling.
        people: (k, 2) int64, between whom.
        similarities: (g,) float64 thresholds from ``start`` to 1.
        lows: (g,) float64, lower ends of the 95 % intervals of the false match rate there.
        highs: (g,) float64, upper ends.
    """

    start: float
    share: float
    pareto: ParetoTail
    n_people: int
    n_impostor: int
    scores: npt.NDArray[np.float32]
    people: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float64]
    lows: npt.NDArray[np.float64]
    highs: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def pairs_of_people(self) -> int:
        """What a claim is measured against: photos of the same two people repeat each other."""
        return self.n_people * (self.n_people - 1) // 2

    def fmr(self, similarity: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The false match rate at thresholds from ``start`` on."""
        return self.share * self.pareto.survival(np.asarray(similarity) - self.start)

    def similarity(self, fmr: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Thresholds at false match rates of ``share`` at most."""
        return self.start + self.pareto.quantile(np.asarray(fmr) / self.share)

    def spread(self) -> RateSpread:
        """The intervals as factors of the rate, where the rate can be carried."""
        rates = self.fmr(self.similarities)
        kept = rates >= smallest_extrapolation(self.pairs_of_people)
        rates = rates[kept]
        return RateSpread(
            self.similarities[kept],
            np.minimum(self.lows[kept] / rates, 1.0),
            np.maximum(self.highs[kept] / rates, 1.0),
        )

    def thresholds(self, fmrs: Sequence[float], *, origin: str) -> list[Threshold]:
        """The lowest thresholds whose interval ends at or below each rate.

        Args:
            fmrs: Rates to be promised.
            origin: Whose faces, in words.

        Returns:
            One for each rate that can be carried (0.1 / pairs of people, and a threshold up to 1).
        """
        found = []
        for fmr in fmrs:
            fit = np.flatnonzero(self.highs <= fmr)
            if fmr < smallest_extrapolation(self.pairs_of_people) or not len(fit):
                continue
            similarity = float(self.similarities[fit[0]])
            reached = np.sort(self.people[self.scores >= similarity], axis=1)
            n_false = len(np.unique(reached, axis=0))
            estimate = float(self.fmr(similarity))
            found.append(
                Threshold(similarity, fmr, self.pairs_of_people, origin, n_false, estimate)
            )
        return found


def fit_fmr_tail(pairs: AllPairs, *, generator: np.random.Generator) -> FmrTail:
    """Fit the tail of all impostor scores, and draw people anew for its intervals.

    Args:
        pairs: Every face against every other.
        generator: Source of randomness.

    Raises:
        CalibrationError: If there are fewer than 5,000 comparisons.
    """
    n = pairs.n_impostor
    k = min(MAX_EXCESSES, n // 100, len(pairs.impostors.tail) - 1)
    if k < MIN_EXCESSES:
        raise CalibrationError(
            f"a tail takes {100 * MIN_EXCESSES:,} impostor comparisons, there are {n:,}; bring "
            "more people"
        )
    start = float(pairs.impostors.tail[k])
    above = pairs.impostors.tail > start
    scores = pairs.impostors.tail[above].astype(np.float64)
    people = pairs.identities[pairs.impostors.tail_pairs[above]]
    pareto = fit_pareto_tail(scores - start, np.ones(len(scores)))
    sizes = np.bincount(pairs.identities[pairs.identities >= 0]).astype(np.float64)
    grid = np.arange(start, 1 + _STEP, _STEP).clip(max=1.0)
    grid = np.unique(grid)
    rates = _drawn_rates(scores, people, sizes, grid, generator=generator)
    # No interpolation: between draws there is nothing to interpolate.
    lows, highs = np.quantile(rates, [0.025, 0.975], axis=0, method="nearest")
    share = len(scores) / n
    estimate = share * pareto.survival(grid - start)
    return FmrTail(
        start, share, pareto, int((sizes > 0).sum()), n, scores.astype(np.float32), people, grid,
        np.minimum(lows, estimate), np.maximum(highs, estimate),
    )  # fmt: skip


def _drawn_rates(
    scores: npt.NDArray[np.float64],
    people: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.float64],
    grid: npt.NDArray[np.float64],
    *,
    generator: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """(draws, g): the tail's rates in each draw of people; ``grid`` begins where the tail does."""
    drawn: list[npt.NDArray[np.float64]] = []

    def fit(came: npt.NDArray[np.float64]) -> None:
        weights = came[people[:, 0]] * came[people[:, 1]]
        faces = came * sizes
        total = (faces.sum() ** 2 - (faces**2).sum()) / 2
        if weights.sum() > 0 and total > 0:
            tail = fit_pareto_tail(scores - grid[0], weights)
            drawn.append(weights.sum() / total * tail.survival(grid - grid[0]))

    resampled(fit, len(sizes), generator=generator, draws=DRAWS)
    return np.array(drawn)
