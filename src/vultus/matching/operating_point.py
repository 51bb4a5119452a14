"""The threshold that keeps strangers unknown in a gallery of a given size."""

import math

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import CalibrationError
from vultus.core.thresholds import Threshold, ThresholdTable


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

    See `fmr_for_fpir` for what is assumed. A point measured with no false match at all counts
    with 3 / n_impostor, the upper end of its 95 % interval ("rule of three"): no finite sample
    shows a rate of zero.

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
        if _rate(point) <= target:
            return point
    if not table.points:
        raise CalibrationError(
            "this model has no calibrated thresholds, so no FPIR can be promised; "
            "pass threshold=... or calibrate it"
        )
    strictest = table.points[-1]
    reach = fpir_of_fmr(_rate(strictest), gallery_size=size)
    raise CalibrationError(
        f"FPIR <= {fpir:.3g} among {size:,} people needs a threshold of FMR <= {target:.3g}; the "
        f"strictest known is {strictest}, which carries FPIR >= {reach:.3g}. Ask for that, "
        "pass threshold=..., or calibrate on more people"
    )


def _rate(point: Threshold) -> float:
    if point.fmr is None or point.n_impostor is None:
        return 1.0
    return point.fmr if point.fmr > 0 else min(3 / point.n_impostor, 1.0)
