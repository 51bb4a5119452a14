"""The threshold of a decision: of the site's calibration first, then of the model's card."""

import dataclasses
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache

from vultus.core.checks import check_positive_int, check_range
from vultus.core.choices import DEFAULT_MAX_FNIR
from vultus.core.errors import CalibrationError
from vultus.core.text import argument, rounded_up
from vultus.core.thresholds import SearchRates, Threshold, ThresholdTable, stated_rate
from vultus.matching.calibration import Calibration
from vultus.matching.fnir_curves import FnirCurves
from vultus.matching.model_rates import ModelRates

_ROUNDING = 1e-9
"""So that a rate carries the FPIR that is computed from it."""


def fmr_for_fpir(fpir: float, *, gallery_size: int) -> float:
    """The false match rate per comparison that N comparisons may have.

    Solves ``fpir = 1 - (1 - fmr)^N`` for fmr, which takes the N comparisons of one probe as
    independent, and the rate measured on pairs of photos for that of a probe against a fused
    template. It is an approximation. Comparisons share the probe, and where some probes resemble
    everybody more than others do, the true FPIR is lower than the formula says; templates fused
    from several photos draw similarities apart from zero, and make it higher. Measured on
    2026-11-22 on photos of families (half of them to calibrate, 73-85 people enrolled, 487-712
    photos of strangers, three draws): 0.5 to 1.6 times the FPIR asked for with one photo per
    person, 0.7 to 1.7 times with up to five. Measure FPIR itself where it must be known.

    Args:
        fpir: False positive identification rate in (0, 1): the chance that a stranger is
            given a name.
        gallery_size: N, how many people are enrolled.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> f"{fmr_for_fpir(0.01, gallery_size=1000):.3e}"
        '1.005e-05'
    """
    check_range("fpir", fpir, low=0, high=1, low_open=True, high_open=True)
    size = check_positive_int("gallery_size", gallery_size)
    return -math.expm1(math.log1p(-fpir) / size)


def fpir_of_fmr(fmr: float, *, gallery_size: int) -> float:
    """The false positive identification rate of N independent comparisons: ``1 - (1 - fmr)^N``.

    Args:
        fmr: False match rate of one comparison in [0, 1].
        gallery_size: N, how many people are enrolled.

    Raises:
        InputError: If an argument is out of range.
    """
    check_range("fmr", fmr, low=0, high=1)
    size = check_positive_int("gallery_size", gallery_size)
    return 1.0 if fmr == 1 else -math.expm1(size * math.log1p(-fmr))


def threshold_for_fpir(table: ThresholdTable, *, fpir: float, gallery_size: int) -> Threshold:
    """The lowest measured threshold that keeps the FPIR of a gallery at or below a target.

    See `fmr_for_fpir` for what is assumed.

    Args:
        table: The model's measured thresholds.
        fpir: False positive identification rate in (0, 1).
        gallery_size: How many people are enrolled; 0 is taken as 1.

    Raises:
        InputError: If an argument is out of range.
        CalibrationError: If no measured point is strict enough; the message says which FPIR the
            table can carry at this size.
    """
    size = max(check_positive_int("gallery_size", gallery_size, minimum=0), 1)
    target = fmr_for_fpir(fpir, gallery_size=size)
    for point in table.points:
        if stated_rate(point) <= target * (1 + _ROUNDING):
            return point
    if not table.points:
        raise CalibrationError(
            "this model has no calibrated thresholds, so no FPIR can be promised; decide by "
            f"{argument('threshold')}, set by hand, or calibrate it (`vultus calibrate`)"
        )
    strictest = table.points[-1]
    reach = rounded_up(fpir_of_fmr(stated_rate(strictest), gallery_size=size))
    ask = f"Ask for that ({argument('fpir', float(reach))}), " if float(reach) < 1 else ""
    raise CalibrationError(
        f"FPIR <= {fpir:.3g} among {size:,} people needs a threshold of FMR <= {target:.3g}; the "
        f"strictest known is {strictest}, which carries FPIR {reach}. {ask}decide by "
        f"{argument('threshold')}, set by hand, or calibrate on more people (`vultus calibrate`)"
    )


def threshold_for_fmr(
    table: ThresholdTable, *, fmr: float, calibration: Calibration | None = None
) -> Threshold:
    """The threshold of a comparison (1:1) at a false match rate of at most ``fmr``.

    Args:
        table: The thresholds on the model's card.
        fmr: In (0, 1].
        calibration: This site's, which comes first. Where it does not reach, the card answers,
            unless its threshold is laxer than the site's strictest; ``origin`` says so.

    Raises:
        CalibrationError: If neither has a threshold that strict.
    """
    if calibration is None:
        return table.at_fmr(fmr)
    try:
        return calibration.thresholds.at_fmr(fmr)
    except CalibrationError as error:
        with suppress(CalibrationError):
            return _beyond(calibration, table.at_fmr(fmr), error)
        raise


def threshold_for_gallery(
    table: ThresholdTable,
    *,
    fpir: float,
    people_by_photos: Mapping[int, int],
    calibration: Calibration | None = None,
) -> Threshold:
    """The threshold of a search (1:N) that keeps the FPIR at or below a target.

    Args:
        table: The thresholds on the model's card; as `ModelRates` with what searches give.
        fpir: False positive identification rate in (0, 1).
        people_by_photos: Photos per person -> how many of the enrolled have so many; may be empty.
        calibration: This site's, which comes first: what it measured follows the number of people
            and of their photos. Where its people are too few for that, and by a card of
            thresholds alone, comparisons are taken as independent (`threshold_for_fpir`), and
            ``origin`` says so.

    Returns:
        The rule; its ``search`` says what to expect: FPIR with its upper end, and FNIR. The same
        question again takes no time.

    Raises:
        CalibrationError: If neither can carry that for a gallery of this size, or the threshold
            would miss a larger share of the enrolled than ``table.max_fnir``.
    """
    return _threshold(table, fpir, tuple(sorted(people_by_photos.items())), calibration)


@lru_cache(maxsize=64)
def _threshold(
    table: ThresholdTable,
    fpir: float,
    people_by_photos: tuple[tuple[int, int], ...],
    calibration: Calibration | None,
) -> Threshold:
    people = dict(people_by_photos)
    if calibration is None:
        rule = _of_model(table, fpir, people)
    else:
        rule = _of_site(calibration, table, fpir, people)
    return _with_misses(rule, fpir, people, table=table, calibration=calibration)


def _of_model(table: ThresholdTable, fpir: float, people: Mapping[int, int]) -> Threshold:
    size = sum(people.values())
    curves = table.fpir_curves if isinstance(table, ModelRates) else None
    if curves is None:
        return threshold_for_fpir(table, fpir=fpir, gallery_size=size)
    check_range("fpir", fpir, low=0, high=1, low_open=True, high_open=True)
    try:
        return curves.threshold(fpir, people_by_photos=people or {1: 1})
    except CalibrationError:
        with suppress(CalibrationError):
            return _by_formula(table, fpir, size)
        raise


def _of_site(
    calibration: Calibration, table: ThresholdTable, fpir: float, people: Mapping[int, int]
) -> Threshold:
    size = sum(people.values())
    measured = calibration.fpir_curves
    try:
        if measured is None:
            return _by_formula(calibration.thresholds, fpir, size)
        return measured.threshold(fpir, people_by_photos=people or {1: 1})
    except CalibrationError as error:
        with suppress(CalibrationError):
            return _by_formula(calibration.thresholds, fpir, size)
        with suppress(CalibrationError):
            known = isinstance(table, ModelRates) and table.fpir_curves is not None
            rule = _of_model(table, fpir, people) if known else _by_formula(table, fpir, size)
            return _beyond(calibration, rule, error)
        raise


def _with_misses(
    rule: Threshold,
    fpir: float,
    people: Mapping[int, int],
    *,
    table: ThresholdTable,
    calibration: Calibration | None,
) -> Threshold:
    """The rule with the FNIR that it costs; refused where that passes the limit."""
    rates = SearchRates(fpir) if rule.search is None else rule.search
    known: tuple[FnirCurves, ...] = table.fnir_curves if isinstance(table, ModelRates) else ()
    if calibration is not None and calibration.fnir_curves is not None:
        known = (calibration.fnir_curves,)
    if not known:
        return dataclasses.replace(rule, search=rates)
    found = [curves.at(rule.similarity, people_by_photos=people) for curves in known]
    fnir = found[0][0]
    limit = table.max_fnir if isinstance(table, ModelRates) else DEFAULT_MAX_FNIR
    if fnir > limit:
        raise CalibrationError(
            f"FPIR {fpir:.3g} among {sum(people.values()):,} people takes a threshold of "
            f"{rule.similarity:.4f}, which misses {fnir:.0%} of those who are enrolled "
            f"({known[0].origin}); at most {limit:.0%} may be missed. Enrol more photos of each, "
            f"ask for a higher FPIR than {argument('fpir', fpir)}, take a better model, or say "
            f"that so many may be missed ({argument('max_fnir', math.ceil(100 * fnir) / 100)})"
        )
    rates = dataclasses.replace(
        rates, fnir=fnir, fnir_high=max(high for _, high in found), fnir_origin=known[0].origin
    )
    return dataclasses.replace(rule, search=rates)


def _by_formula(table: ThresholdTable, fpir: float, gallery_size: int) -> Threshold:
    rule = threshold_for_fpir(table, fpir=fpir, gallery_size=gallery_size)
    origin = f"FPIR {fpir:.3g} among {gallery_size:,} people by formula, not measured"
    return dataclasses.replace(rule, origin=f"{origin}; {rule.origin}")


def _beyond(calibration: Calibration, rule: Threshold, error: CalibrationError) -> Threshold:
    """A rule of the card where the calibration does not reach; never a laxer one."""
    points = calibration.thresholds.points
    if points and rule.similarity < points[-1].similarity:
        raise error
    origin = f"model card: {rule.origin}; the calibration of {calibration.data.name} does not"
    return dataclasses.replace(rule, origin=f"{origin} reach that far")
