"""What a threshold for a gallery costs: people, photos, FPIR, and the share that is missed."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from vultus.core.checks import check_positive_int
from vultus.core.errors import CalibrationError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.matching.calibration import Calibration
from vultus.matching.model_rates import ModelRates
from vultus.matching.operating_point import threshold_for_gallery

USUAL_PEOPLE = (100, 1_000, 10_000, 100_000)
USUAL_PHOTOS = (1, 3)
USUAL_FPIRS = (0.1, 0.01)


@dataclass(frozen=True, slots=True)
class TradePoint:
    """One gallery and what searching it would mean.

    Attributes:
        people: How many are enrolled.
        photos_per_person: With how many photos each.
        fpir: The false positive identification rate asked for.
        threshold: What it takes, with its ``search`` rates; None where it cannot be carried.
        refusal: Why not, in words; empty where it can.
        would_refuse: Whether a search is refused because it would miss too many.
    """

    people: int
    photos_per_person: int
    fpir: float
    threshold: Threshold | None
    refusal: str = ""
    would_refuse: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        rule = self.threshold
        return {
            "people": self.people,
            "photos_per_person": self.photos_per_person,
            "fpir": self.fpir,
            "threshold": None if rule is None else rule.to_dict(),
            "search": None if rule is None or rule.search is None else rule.search.to_dict(),
            "refusal": self.refusal,
            "would_refuse": self.would_refuse,
        }


def gallery_trade(
    table: ThresholdTable,
    *,
    calibration: Calibration | None = None,
    people: Sequence[int] = USUAL_PEOPLE,
    photos: Sequence[int] = USUAL_PHOTOS,
    fpirs: Sequence[float] = USUAL_FPIRS,
) -> list[TradePoint]:
    """The threshold for every number of people, number of photos and FPIR, with what it misses.

    Args:
        table: As `threshold_for_gallery`; `Recognizer.rates` is one.
        calibration: This site's, or None.
        people: How many are enrolled, each at least 1.
        photos: How many photos each person has, each at least 1.
        fpirs: Rates in (0, 1).

    Raises:
        InputError: If a number is out of range.
    """
    points = []
    for size, count, fpir in product(people, photos, fpirs):
        check_positive_int("people", size)
        check_positive_int("photos", count)
        points.append(_point(table, calibration, (size, count), fpir))
    return points


def _point(
    table: ThresholdTable, calibration: Calibration | None, gallery: tuple[int, int], fpir: float
) -> TradePoint:
    size, photos = gallery
    anything = dataclasses.replace(table, max_fnir=1.0) if isinstance(table, ModelRates) else table
    try:
        rule = threshold_for_gallery(
            anything, fpir=fpir, people_by_photos={photos: size}, calibration=calibration
        )
    except CalibrationError as error:
        return TradePoint(size, photos, fpir, None, str(error))
    misses = None if rule.search is None else rule.search.fnir
    limit = table.max_fnir if isinstance(table, ModelRates) else 1.0
    return TradePoint(size, photos, fpir, rule, would_refuse=misses is not None and misses > limit)
