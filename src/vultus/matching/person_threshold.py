"""The threshold of a photo, or several, against one enrolled person."""

from contextlib import suppress
from dataclasses import replace

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import CalibrationError
from vultus.core.thresholds import SearchRates, Threshold, ThresholdTable
from vultus.matching.calibration import Calibration
from vultus.matching.model_rates import ModelRates
from vultus.matching.operating_point import (
    known_stretches,
    threshold_for_fmr,
    threshold_for_gallery,
    told_misses,
)


def threshold_for_person(
    table: ThresholdTable,
    *,
    fmr: float,
    photos_per_person: int,
    photos_per_probe: int = 1,
    calibration: Calibration | None = None,
) -> Threshold:
    """The threshold of a comparison with one person's template, at a false match rate.

    Where searches among one person were counted at that rate on strangers enough, that is the
    answer. Else it is the threshold of two single photos, raised by the upper end of what
    thresholds were measured to rise by with so many photos fused; ``origin`` says both.

    Args:
        table: The thresholds on the model's card; as `ModelRates` with what fused photos change.
        fmr: The chance that a stranger is taken for that person, at most, in (0, 1).
        photos_per_person: How many photos are enrolled.
        photos_per_probe: How many photos of the one who is to be judged are fused.
        calibration: This site's, which comes first.

    Raises:
        InputError: If an argument is out of range.
        CalibrationError: If no threshold carries that rate, or nobody measured what several
            photos of a probe do.
    """
    check_range("fmr", fmr, low=0, high=1, low_open=True, high_open=True)
    check_positive_int("photos_per_person", photos_per_person)
    check_positive_int("photos_per_probe", photos_per_probe)
    people = {photos_per_person: 1}
    measured = table.fpir_curves if isinstance(table, ModelRates) else None
    if calibration is not None:
        measured = calibration.fpir_curves
    if measured is not None:
        with suppress(CalibrationError):
            measured.carrying(fmr, gallery_size=1)
            # Who is compared with one person has no gallery to miss half of.
            anything = replace(table, max_fnir=1.0) if isinstance(table, ModelRates) else table
            return threshold_for_gallery(
                anything,
                fpir=fmr,
                people_by_photos=people,
                calibration=calibration,
                photos_per_probe=photos_per_probe,
            )
    single = threshold_for_fmr(table, fmr=fmr, calibration=calibration)
    rule = known_stretches(table, calibration).raised(
        single, photos_per_probe=photos_per_probe, photos_per_person=photos_per_person
    )
    return told_misses(
        replace(rule, search=SearchRates(fmr)),
        people,
        table=table,
        calibration=calibration,
        photos_per_probe=photos_per_probe,
    )
