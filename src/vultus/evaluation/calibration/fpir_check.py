"""FPIR as stated, and as seen on people who had no part in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vultus.core.checks import check_positive_int, check_range
from vultus.core.thresholds import Threshold
from vultus.evaluation.calibration.fmr import not_higher
from vultus.evaluation.calibration.searches import StrangerSearches
from vultus.evaluation.measures.intervals import Interval
from vultus.matching.fpir_curves import FpirCurves


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


def _scaled(interval: Interval, measured: float, stated: float) -> Interval:
    """The interval of a measured rate as one of the stated rate: the same factors either way."""
    if measured == 0:
        return Interval(0.0, max(interval.high, stated), interval.level, interval.method)
    low, high = (stated * end / measured for end in (interval.low, interval.high))
    return Interval(low, min(high, 1.0), interval.level, interval.method)
