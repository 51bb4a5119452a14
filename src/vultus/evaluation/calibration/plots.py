"""Pictures of a calibration: reliability of probabilities, thresholds that follow the gallery.

Needs matplotlib (the extra ``plot``), imported when a picture is drawn.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vultus.core.errors import InputError
from vultus.evaluation.calibration.probability import ProbabilityCheck
from vultus.evaluation.plot_style import new_figure, series_styles
from vultus.matching.fpir_curves import FpirCurves, PhotoLevel, people_for_fpir

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
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
            if level.n_people >= people_for_fpir(fpir, gallery_size=size)
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


def _threshold(curves: FpirCurves, level: PhotoLevel, fpir: float, size: int) -> float:
    people = {level.photos_per_person: size}
    return curves.threshold(fpir, people_by_photos=people).similarity
