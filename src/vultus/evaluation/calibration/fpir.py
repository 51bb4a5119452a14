"""FPIR by gallery size and photos per person: counted, with a tail fit where counts run out.

As in `fmr`, each threshold is measured again on people who had no part in it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_range
from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import Threshold
from vultus.evaluation.calibration.fmr import not_higher
from vultus.evaluation.calibration.searches import (
    BINS_PER_UNIT,
    StrangerSearches,
    stranger_searches,
)
from vultus.evaluation.measures.intervals import Interval
from vultus.matching.fpir_curves import FpirCurve, FpirCurves, PhotoLevel

PHOTO_LEVELS = (1, 2, 3, 5, 10, 20)
MIN_PEOPLE = 30
_MAX_SHARE = 0.5
"""Thresholds that more than half of all strangers reach are nobody's choice, and not kept."""

_POINTS_PER_DECADE = 8
_TAIL_ERRORS = 50
"""A rate on fewer false matches than this is read off the tail fit, not counted."""


@dataclass(frozen=True, slots=True)
class GalleryPlan:
    """A gallery that is to be served, and how often a stranger may be given a name.

    Attributes:
        fpir: Target in (0, 1).
        gallery_size: How many people are enrolled.
        photos_per_person: How many photos of each.
    """

    fpir: float
    gallery_size: int
    photos_per_person: int = 1

    def __post_init__(self) -> None:
        check_range("fpir", self.fpir, low=0, high=1, low_open=True, high_open=True)
        check_positive_int("gallery_size", self.gallery_size)
        check_positive_int("photos_per_person", self.photos_per_person)

    @property
    def people_by_photos(self) -> Mapping[int, int]:
        """As `FpirCurves` wants it."""
        return {self.photos_per_person: self.gallery_size}


@dataclass(frozen=True, slots=True)
class FpirCheck:
    """One threshold for a gallery, on the people who set it and on others.

    Attributes:
        plan: What was asked for.
        threshold: What it takes.
        stated_interval: 95 % interval of the FPIR on the people who set it.
        held_out: FPIR at that threshold on people held out; None where they are too few to fill
            such a gallery.
        held_out_interval: Its 95 % interval, or None.
    """

    plan: GalleryPlan
    threshold: Threshold
    stated_interval: Interval
    held_out: float | None
    held_out_interval: Interval | None

    @property
    def holds(self) -> bool | None:
        """Whether the rate is not higher on other people; None where nothing was seen."""
        if self.held_out is None or self.held_out_interval is None:
            return None
        return not_higher(
            (self.held_out, self.held_out_interval), (self.plan.fpir, self.stated_interval)
        )

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        interval = self.held_out_interval
        return {
            "fpir": self.plan.fpir,
            "gallery_size": self.plan.gallery_size,
            "photos_per_person": self.plan.photos_per_person,
            "threshold": self.threshold.to_dict(),
            "stated_interval": self.stated_interval.to_dict(),
            "held_out_fpir": self.held_out,
            "held_out_interval": None if interval is None else interval.to_dict(),
            "holds": self.holds,
        }


def fit_fpir_curves(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    generator: np.random.Generator,
    origin: str,
) -> FpirCurves:
    """Measure everybody's photos against everybody else's templates of 1, 2, 3, 5, 10, 20 photos.

    Args:
        embeddings: One face a row.
        identities: (n,) int64, whose each is.
        generator: Source of randomness: which photos go into a template.
        origin: Where the faces come from, in words.

    Returns:
        Levels for as many photos as 30 people have.

    Raises:
        CalibrationError: If there are fewer than 30 people.
    """
    counts = np.unique(identities, return_counts=True)[1]
    if len(counts) < MIN_PEOPLE:
        raise CalibrationError(
            f"FPIR takes {MIN_PEOPLE} people to calibrate on, there are {len(counts)}: "
            f"{MIN_PEOPLE - len(counts)} more"
        )
    levels = [
        fit_level(
            stranger_searches(embeddings, identities, photos_per_person=k, generator=generator)
        )
        for k in PHOTO_LEVELS
        if (counts >= k).sum() >= MIN_PEOPLE
    ]
    return FpirCurves(tuple(levels), origin)


def fit_level(searches: StrangerSearches) -> PhotoLevel:
    """FPIR against the threshold at galleries of 1, 2, 5, 10 ... people."""
    sizes = _sizes(searches.largest)
    curves = []
    for size, rates in zip(sizes, searches.fpirs(sizes), strict=True):
        curves.append(_curve(size, rates, pairs=_pairs_of_people(searches)))
    return PhotoLevel(
        searches.photos_per_person,
        tuple(curves),
        len(searches.templates),
        searches.n_strangers,
        len(searches.probes),
    )


def _pairs_of_people(searches: StrangerSearches) -> float:
    enrolled = len(searches.templates)
    return enrolled * (enrolled - 1) / 2 + enrolled * (searches.n_strangers - enrolled)


def _sizes(largest: int) -> list[int]:
    steps = [step * 10**power for power in range(8) for step in (1, 2, 5)]
    return [*(size for size in steps if size < 0.9 * largest), largest]


def check_fpir(
    plan: GalleryPlan,
    curves: FpirCurves,
    *,
    fit: Callable[[int], StrangerSearches],
    held_out: Callable[[int], StrangerSearches | None],
) -> FpirCheck:
    """Take the threshold for a gallery and measure it on other people.

    Args:
        plan: The gallery.
        curves: What was measured.
        fit: Photos per person -> searches among the people who set the threshold.
        held_out: The same among other people; None where too few have so many photos.

    Raises:
        CalibrationError: If the people cannot carry it.
    """
    threshold = curves.threshold(plan.fpir, people_by_photos=plan.people_by_photos)
    own, other = fit(plan.photos_per_person), held_out(plan.photos_per_person)
    size = min(plan.gallery_size, own.largest)
    stated, interval = own.measure(threshold.similarity, gallery_size=size)
    if other is None or other.largest < plan.gallery_size:
        return FpirCheck(plan, threshold, _scaled(interval, stated, plan.fpir), None, None)
    seen, seen_interval = other.measure(threshold.similarity, gallery_size=plan.gallery_size)
    return FpirCheck(plan, threshold, _scaled(interval, stated, plan.fpir), seen, seen_interval)


def _curve(size: int, rates: npt.NDArray[np.float64], *, pairs: float) -> FpirCurve:
    """Thresholds at rates that fall in equal steps, down to where the pairs end (3 / pairs)."""
    smallest = min(3 * size / pairs, _MAX_SHARE / 2)
    n_points = max(2, 1 + round(_POINTS_PER_DECADE * float(np.log10(_MAX_SHARE / smallest))))
    wanted = np.geomspace(_MAX_SHARE, smallest, n_points)
    anchor = min(_TAIL_ERRORS * size / pairs, _MAX_SHARE)
    thresholds = np.where(wanted >= anchor, _counted(rates, wanted), _fitted(rates, wanted, anchor))
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(thresholds)) > 0])
    kept = rising & (thresholds <= 1)
    return FpirCurve(size, thresholds[kept], wanted[kept])


def _counted(
    rates: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Thresholds where a counted curve takes these rates, straight between bins in logarithms."""
    positive = int((rates > 0).sum())
    logs = np.log(rates[:positive])[::-1]
    edges = (np.arange(positive) / BINS_PER_UNIT - 1)[::-1]
    return np.interp(np.log(wanted), logs, edges)


def _fitted(
    rates: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], anchor: float
) -> npt.NDArray[np.float64]:
    """Thresholds at rates below ``anchor`` by a generalised Pareto tail that begins there."""
    start = float(_counted(rates, np.array([anchor]))[0])
    first = int(np.floor((start + 1) * BINS_PER_UNIT)) + 1
    bounds = np.concatenate([[start], np.arange(first, len(rates)) / BINS_PER_UNIT - 1])
    survival = np.concatenate([[anchor], rates[first:], [0.0]])
    middles = bounds - start + np.diff(np.append(bounds, 1.0)) / 2
    tail = fit_pareto_tail(middles, -np.diff(survival))
    return start + tail.quantile(np.minimum(wanted / anchor, 1.0))


def _scaled(interval: Interval, measured: float, stated: float) -> Interval:
    """The interval of a measured rate as one of the stated rate: the same factors either way."""
    if measured == 0:
        return Interval(0.0, max(interval.high, stated), interval.level, interval.method)
    low, high = (stated * end / measured for end in (interval.low, interval.high))
    return Interval(low, min(high, 1.0), interval.level, interval.method)


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
