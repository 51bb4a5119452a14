"""Pictures of a calibration: reliability of probabilities, thresholds that follow the gallery.

Needs matplotlib (the extra ``plot``), imported when a picture is drawn.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vultus.core.errors import InputError
from vultus.evaluation.calibration.probability import ProbabilityCheck
from vultus.evaluation.plot_style import new_figure, series_styles
from vultus.matching.fpir_curves import FpirCurves, people_for_fpir
from vultus.matching.fpir_levels import PhotoLevel
from vultus.matching.gallery_trade import TradePoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
TRADE_SIZES = tuple(step * 10**power for power in range(1, 6) for step in (1, 2, 5))[:13]
"""10 to 100,000."""

SMALLEST, LARGEST = 20, 400
"""Area in points of the smallest and the largest dot."""


def plot_reliability(checks: Mapping[str, ProbabilityCheck]) -> "Figure":
    """What was the case against what was said; good probabilities lie on the diagonal.

    The area of a dot shows how many comparisons are behind it.

    Args:
        checks: Name of each method -> its figures on people held out.

    Raises:
        InputError: If there is no method.
        MissingDependencyError: If matplotlib is not installed.
    """
    if not checks:
        raise InputError("a reliability plot needs at least one method, got none")
    figure, axes = new_figure("Probability of a match that was said", "Share that were matches")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as said")
    styles = series_styles(checks)
    for name, check in checks.items():
        label = f"{name}, log loss {check.log_loss:.3f}, ECE {check.calibration_error:.3f}"
        axes.plot(check.said, check.seen, label=label, **styles[name].line())
        areas = SMALLEST + (LARGEST - SMALLEST) * check.weights / check.weights.max()
        axes.scatter(check.said, check.seen, s=areas, color=styles[name].colour, alpha=0.4)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(loc="upper left")
    return figure


def plot_gallery_thresholds(
    curves: FpirCurves, *, fpir: float, sizes: Sequence[int] = SIZES
) -> "Figure":
    """Threshold against the size of the gallery, a line per number of photos each.

    Lines end where the people of the calibration cannot carry the rate any further.

    Args:
        curves: What was measured.
        fpir: In (0, 1).
        sizes: How many people are enrolled.

    Raises:
        CalibrationError: If no size is carried.
        MissingDependencyError: If matplotlib is not installed.
    """
    levels = curves.carrying(fpir, gallery_size=min(sizes))
    lines = {
        f"{level.photos_per_person} photo(s) each": [
            (size, _threshold(curves, level, fpir, size))
            for size in sizes
            if level.n_people
            >= people_for_fpir(fpir, gallery_size=size, least_pairs=curves.least_pairs)
        ]
        for level in levels
    }
    figure, axes = new_figure("People in the gallery", f"Threshold at FPIR {fpir:g}")
    styles = series_styles(lines)
    for name, points in lines.items():
        xs, ys = np.array(points).T
        axes.plot(xs, ys, label=name, marker="o", markersize=3, **styles[name].line())
    axes.set_xscale("log")
    axes.legend(loc="lower right")
    return figure


def plot_gallery_trade(points: Sequence[TradePoint]) -> "Figure":
    """The share of the enrolled that is missed against their number: what a low FPIR costs.

    A line per FPIR and number of photos each; it ends where the rate cannot be carried. Where
    several kinds of people were measured, the band reaches up to the highest of them.

    Args:
        points: Of `gallery_trade`.

    Raises:
        InputError: If nothing of it was measured.
        MissingDependencyError: If matplotlib is not installed.
    """
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for point in points:
        rates = None if point.threshold is None else point.threshold.search
        if rates is None or rates.fnir is None:
            continue
        name = f"FPIR {point.fpir:g}, {point.photos_per_person} photo(s) each"
        high = rates.fnir if rates.fnir_high is None else rates.fnir_high
        lines.setdefault(name, []).append((point.people, 100 * rates.fnir, 100 * high))
    if not lines:
        raise InputError("a picture of the trade needs a measured FNIR, there is none")
    figure, axes = new_figure("People in the gallery", "Missed of those enrolled, %")
    styles = series_styles(lines)
    for name, found in lines.items():
        people, missed, highs = np.array(found).T
        axes.plot(people, missed, label=name, marker="o", markersize=3, **styles[name].line())
        axes.fill_between(people, missed, highs, color=styles[name].colour, alpha=0.08)
    axes.set_xscale("log")
    axes.set_ylim(0, 100)
    axes.legend(loc="upper left", fontsize="small")
    return figure


def _threshold(curves: FpirCurves, level: PhotoLevel, fpir: float, size: int) -> float:
    people = {level.photos_per_person: size}
    return curves.threshold(fpir, people_by_photos=people).similarity
