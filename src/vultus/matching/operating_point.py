"""The threshold of a decision: of the site's calibration first, then of the model's card."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from vultus.core.checks import check_positive_int, check_range
from vultus.core.choices import DEFAULT_MAX_FNIR
from vultus.core.errors import CalibrationError
from vultus.core.text import argument, rounded_up
from vultus.core.thresholds import SearchRates, Threshold, ThresholdTable, stated_rate
from vultus.matching.calibration import Calibration
from vultus.matching.fnir_curves import FnirCurves
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.model_rates import ModelRates
from vultus.matching.stretch import Stretches

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
    photos_per_probe: int = 1,
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
        photos_per_probe: How many photos of the person searched for are fused. By how much that
            raises thresholds is the site's measurement, else the model's.

    Returns:
        The rule; its ``search`` says what to expect: FPIR with its upper end, and FNIR. The same
        question again takes no time.

    Raises:
        CalibrationError: If neither can carry that for a gallery of this size, nobody measured
            what several photos of a probe do, or the threshold would miss a larger share of the
            enrolled than ``table.max_fnir``.
    """
    check_positive_int("photos_per_probe", photos_per_probe)
    people = tuple(sorted(people_by_photos.items()))
    return _threshold(table, fpir, people, calibration, photos_per_probe)


@lru_cache(maxsize=64)
def _threshold(
    table: ThresholdTable,
    fpir: float,
    people_by_photos: tuple[tuple[int, int], ...],
    calibration: Calibration | None,
    photos_per_probe: int,
) -> Threshold:
    people = dict(people_by_photos)
    known = known_stretches(table, calibration)
    photos = _Photos(photos_per_probe, max(people, default=1), known)
    if calibration is None:
        rule = _of_model(table, fpir, people, photos)
    else:
        rule = _of_site(calibration, table, fpir, people, photos)
    question = _Question(fpir, photos_per_probe, calibration)
    return _with_misses(rule, question, people, table=table)


def _of_model(
    table: ThresholdTable, fpir: float, people: Mapping[int, int], photos: "_Photos"
) -> Threshold:
    size = sum(people.values())
    curves = table.fpir_curves if isinstance(table, ModelRates) else None
    if curves is None:
        return photos.raised(threshold_for_fpir(table, fpir=fpir, gallery_size=size))
    check_range("fpir", fpir, low=0, high=1, low_open=True, high_open=True)
    curves = photos.of(curves)
    try:
        return curves.threshold(fpir, people_by_photos=people or {1: 1})
    except CalibrationError:
        with suppress(CalibrationError):
            return _by_formula(table, fpir, size, photos)
        raise


def _of_site(
    calibration: Calibration,
    table: ThresholdTable,
    fpir: float,
    people: Mapping[int, int],
    photos: "_Photos",
) -> Threshold:
    size = sum(people.values())
    measured = calibration.fpir_curves
    try:
        if measured is None:
            return _by_formula(calibration.thresholds, fpir, size, photos)
        return photos.of(measured).threshold(fpir, people_by_photos=people or {1: 1})
    except CalibrationError as error:
        with suppress(CalibrationError):
            return _by_formula(calibration.thresholds, fpir, size, photos)
        with suppress(CalibrationError):
            known = isinstance(table, ModelRates) and table.fpir_curves is not None
            if known:
                return _beyond(calibration, _of_model(table, fpir, people, photos), error)
            return _beyond(calibration, _by_formula(table, fpir, size, photos), error)
        raise


@dataclass(frozen=True, slots=True)
class _Question:
    fpir: float
    photos: int
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class _Photos:
    """How many photos of the probe meet how many of the enrolled, and what is known of that."""

    per_probe: int
    most_per_person: int
    known: Stretches

    def of(self, curves: FpirCurves) -> FpirCurves:
        """The curves for so many photos of the probe."""
        return curves.for_probes(self.per_probe, stretches=self.known.of_probes(self.per_probe))

    def raised(self, rule: Threshold) -> Threshold:
        """A rule of single photos, for as many."""
        return self.known.raised(
            rule, photos_per_probe=self.per_probe, photos_per_person=self.most_per_person
        )


def known_stretches(table: ThresholdTable, calibration: Calibration | None) -> Stretches:
    """What the site and the model know of several photos fused."""
    of_model = table.fpir_curves if isinstance(table, ModelRates) else None
    of_site = None if calibration is None else calibration.fpir_curves
    return Stretches(
        () if of_site is None else of_site.stretches,
        () if of_model is None else of_model.stretches,
    )


def _known_misses(table: ThresholdTable, calibration: Calibration | None) -> tuple[FnirCurves, ...]:
    if calibration is not None and calibration.fnir_curves is not None:
        return (calibration.fnir_curves,)
    return table.fnir_curves if isinstance(table, ModelRates) else ()


def told_misses(
    rule: Threshold,
    people_by_photos: Mapping[int, int],
    *,
    table: ThresholdTable,
    calibration: Calibration | None,
    photos_per_probe: int = 1,
) -> Threshold:
    """A rule with `SearchRates`, and in them how many of the enrolled it misses, where known.

    Of the kinds of people that were measured, the first of those with the most photos of a probe
    is told; the upper end is the highest of all that.
    """
    known = _known_misses(table, calibration)
    if not known or rule.search is None:
        return rule
    most = max(curves.most_for(photos_per_probe) for curves in known)
    known = tuple(curves for curves in known if curves.most_for(photos_per_probe) == most)
    found = [
        curves.at(
            rule.similarity, people_by_photos=people_by_photos, photos_per_probe=photos_per_probe
        )
        for curves in known
    ]
    rates = replace(
        rule.search,
        fnir=found[0][0],
        fnir_high=max(high for _, high in found),
        fnir_origin=known[0].origin,
    )
    return replace(rule, search=rates)


def _with_misses(
    rule: Threshold, question: "_Question", people: Mapping[int, int], *, table: ThresholdTable
) -> Threshold:
    """The rule with the FNIR that it costs; refused where that passes the limit."""
    rule = rule if rule.search is not None else replace(rule, search=SearchRates(question.fpir))
    told = told_misses(
        rule,
        people,
        table=table,
        calibration=question.calibration,
        photos_per_probe=question.photos,
    )
    limit = table.max_fnir if isinstance(table, ModelRates) else DEFAULT_MAX_FNIR
    fnir = None if told.search is None else told.search.fnir
    if fnir is not None and question.photos > 1:
        # Other people than those of single photos may be told of: more photos miss nobody more.
        first = _known_misses(table, question.calibration)[0]
        fnir = min(fnir, first.at(rule.similarity, people_by_photos=people)[0])
    if told.search is not None and fnir is not None and fnir > limit:
        raise CalibrationError(
            f"FPIR {question.fpir:.3g} among {sum(people.values()):,} people takes a threshold of "
            f"{rule.similarity:.4f}, which misses {fnir:.0%} of those who are enrolled "
            f"({told.search.fnir_origin}); at most {limit:.0%} may be missed. Enrol more photos of "
            f"each, ask for a higher FPIR than {argument('fpir', question.fpir)}, take a better "
            "model, or say that so many may be missed "
            f"({argument('max_fnir', math.ceil(100 * fnir) / 100)})"
        )
    return told


def _by_formula(
    table: ThresholdTable, fpir: float, gallery_size: int, photos: "_Photos"
) -> Threshold:
    rule = photos.raised(threshold_for_fpir(table, fpir=fpir, gallery_size=gallery_size))
    origin = f"FPIR {fpir:.3g} among {gallery_size:,} people by formula, not measured"
    return replace(rule, origin=f"{origin}; {rule.origin}")


def _beyond(calibration: Calibration, rule: Threshold, error: CalibrationError) -> Threshold:
    """A rule of the card where the calibration does not reach; never a laxer one."""
    points = calibration.thresholds.points
    if points and rule.similarity < points[-1].similarity:
        raise error
    origin = f"model card: {rule.origin}; the calibration of {calibration.data.name} does not"
    return replace(rule, origin=f"{origin} reach that far")
