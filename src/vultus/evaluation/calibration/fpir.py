"""FPIR by gallery size and photos per person: counted, with a tail fit where counts run out.

As in `fmr`, each threshold is measured again on people who had no part in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError
from vultus.core.thresholds import COUNTED_PAIRS, EXTRAPOLATED_PAIRS, Threshold
from vultus.evaluation.calibration.fmr import not_higher
from vultus.evaluation.calibration.searches import (
    BINS_PER_UNIT,
    StrangerSearches,
    stranger_searches,
)
from vultus.evaluation.calibration.tail import FmrTail, fit_pareto_tail
from vultus.evaluation.measures.intervals import Interval
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel

PHOTO_LEVELS = (1, 2, 3, 5, 10, 20)
MIN_PEOPLE = 30
_MAX_SHARE = 0.5
"""Thresholds that more than half of all strangers reach are nobody's choice, and not kept."""

_POINTS_PER_DECADE = 8
_STRETCH_RATES = (1e-2, 3e-3, 1e-3, 3e-4)
_TAIL_ERRORS = 50
"""A rate on fewer false matches than this is read off the tail fit, not counted."""


@dataclass(frozen=True, slots=True)
class GalleryPlan:
    """A gallery that is to be served, and how often a stranger may be given a name.

    Attributes:
        fpir: Target in (0, 1).
        gallery_size: How many people are enrolled.
        photos_per_person: How many photos of each.
        photos_per_probe: How many photos of the one who is searched for are fused.
    """

    fpir: float
    gallery_size: int
    photos_per_person: int = 1
    photos_per_probe: int = 1

    def __post_init__(self) -> None:
        check_range("fpir", self.fpir, low=0, high=1, low_open=True, high_open=True)
        check_positive_int("gallery_size", self.gallery_size)
        check_positive_int("photos_per_person", self.photos_per_person)
        check_positive_int("photos_per_probe", self.photos_per_probe)

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
            "photos_per_probe": self.plan.photos_per_probe,
            "threshold": self.threshold.to_dict(),
            "stated_interval": self.stated_interval.to_dict(),
            "held_out_fpir": self.held_out,
            "held_out_interval": None if interval is None else interval.to_dict(),
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class Beyond:
    """How curves go on where the pairs of people end.

    Attributes:
        tail: False match rates by the fitted tail of single photos. N times that rate is followed:
            an upper bound of the FPIR among N people, which it comes near where it is low.
        stretches: Photos per person -> by how much thresholds rise with templates of so many
            (`template_stretch`); the level of one photo, stretched so, stands in for theirs.
    """

    tail: FmrTail
    stretches: Mapping[int, float]


def fit_fpir_curves(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    generator: np.random.Generator,
    origin: str,
    beyond: Beyond | None = None,
) -> FpirCurves:
    """Measure everybody's photos against everybody else's templates of 1, 2, 3, 5, 10, 20 photos.

    Args:
        embeddings: One face a row.
        identities: (n,) int64, whose each is.
        generator: Source of randomness: which photos go into a template.
        origin: Where the faces come from, in words.
        beyond: How to go on where the pairs of people end; None stops there.

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

    def level(k: int) -> PhotoLevel:
        return fit_level(
            stranger_searches(embeddings, identities, photos_per_person=k, generator=generator),
            tail=None if beyond is None else beyond.tail,
        )

    if beyond is None:
        levels = [level(k) for k in PHOTO_LEVELS if (counts >= k).sum() >= MIN_PEOPLE]
        return FpirCurves(tuple(levels), origin)
    one = level(1)
    more = [
        one.stretched(by, photos_per_person=k)
        for k, by in sorted(beyond.stretches.items())
        if k > 1
    ]
    return FpirCurves((one, *more), origin, beyond.tail.spread(), EXTRAPOLATED_PAIRS)


def template_stretch(
    embeddings: Embeddings,
    identities: npt.NDArray[np.int64],
    *,
    photos_per_person: int,
    generator: np.random.Generator,
) -> float:
    """By how much thresholds rise when templates are fused of k photos: a factor, at least 1.

    A fused template lies nearer to the middle of all faces than a photo, so that strangers
    resemble it more, and all similarities in proportion. Measured on people who have k photos, at
    the false match rates (1e-2, 3e-3 ...) that 50 or more pairs of people stand for; the largest
    factor counts.

    Raises:
        InputError: If fewer than three people have so many photos.
    """
    counts = np.unique(identities, return_inverse=True, return_counts=True)
    kept = counts[2][counts[1]] >= photos_per_person
    both = [
        stranger_searches(
            embeddings[kept], identities[kept], photos_per_person=k, generator=generator
        )
        for k in (1, photos_per_person)
    ]
    pairs = _pairs_of_people(both[0])
    rates = [rate for rate in _STRETCH_RATES if rate * pairs >= _TAIL_ERRORS]
    wanted = np.array(rates if rates else _STRETCH_RATES[:1])
    single, fused = (_counted(searches.fpirs([1])[0], wanted) for searches in both)
    return max(1.0, float((fused / single).max()))


def fit_level(searches: StrangerSearches, *, tail: FmrTail | None = None) -> PhotoLevel:
    """FPIR against the threshold at galleries of 1, 2, 5, 10 ... people; see `Beyond.tail`."""
    sizes = _sizes(searches.largest)
    curves = []
    for size, rates in zip(sizes, searches.fpirs(sizes), strict=True):
        curves.append(_curve(size, rates, pairs=_pairs_of_people(searches), tail=tail))
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
    fit: Callable[[int, int], StrangerSearches | None],
    held_out: Callable[[int, int], StrangerSearches | None],
) -> FpirCheck:
    """Take the threshold for a gallery and measure it on other people.

    Args:
        plan: The gallery.
        curves: What was measured.
        fit: Photos per person, and per probe -> searches among the people who set the threshold;
            None where too few have so many photos, and the curves state their interval.
        held_out: The same among other people; None where too few have so many photos.

    Raises:
        CalibrationError: If the people cannot carry it.
    """
    curves = curves.for_probes(plan.photos_per_probe)
    threshold = curves.threshold(plan.fpir, people_by_photos=plan.people_by_photos)
    photos = plan.photos_per_person, plan.photos_per_probe
    own, other = fit(*photos), held_out(*photos)
    ends = curves.interval(plan.fpir, gallery_size=plan.gallery_size)
    if ends is None and own is not None:
        size = min(plan.gallery_size, own.largest)
        stated, measured = own.measure(threshold.similarity, gallery_size=size)
        interval = _scaled(measured, stated, plan.fpir)
    else:
        interval = Interval(*(ends or (0.0, 1.0)), 0.95, "bootstrap over identities")
    if other is None or other.largest < plan.gallery_size:
        return FpirCheck(plan, threshold, interval, None, None)
    seen, seen_interval = other.measure(threshold.similarity, gallery_size=plan.gallery_size)
    return FpirCheck(plan, threshold, interval, seen, seen_interval)


def _curve(
    size: int, rates: npt.NDArray[np.float64], *, pairs: float, tail: FmrTail | None
) -> FpirCurve:
    """Thresholds at rates that fall in equal steps, down to where the pairs end (3 / pairs)."""
    least = COUNTED_PAIRS if tail is None else EXTRAPOLATED_PAIRS
    smallest = min(least * size / pairs, _MAX_SHARE / 2)
    n_points = max(2, 1 + round(_POINTS_PER_DECADE * float(np.log10(_MAX_SHARE / smallest))))
    wanted = np.geomspace(_MAX_SHARE, smallest, n_points)
    anchor = min(_TAIL_ERRORS * size / pairs, _MAX_SHARE)
    if tail is None:
        below = _fitted(rates, wanted, anchor)
    else:
        below = tail.similarity(np.minimum(-np.log1p(-wanted) / size, tail.share))
    thresholds = np.where(wanted >= anchor, _counted(rates, wanted), below)
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
