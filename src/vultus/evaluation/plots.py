"""Pictures of error rates: ROC, DET, CMC, error versus reject, score histogram.

Needs matplotlib (the extra ``plot``), imported when a picture is drawn. Each function returns a
`matplotlib.figure.Figure`; no window is opened and no global state touched.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError, MissingDependencyError
from vultus.evaluation.identification import CmcCurve
from vultus.evaluation.quality import RejectCurve
from vultus.evaluation.rates import RocCurve, equal_error_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_cmc", "plot_det", "plot_reject", "plot_roc", "plot_scores", "save_figure"]

SIZE_INCHES = (6.4, 4.8)
DPI = 150
DET_TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95)
MAX_POINTS = 5000


def plot_roc(curves: Mapping[str, RocCurve]) -> "Figure":
    """TAR against FMR, FMR on a logarithmic axis that ends where the data do (3 / n).

    Args:
        curves: Name for the legend -> curve.

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.
    """
    figure, axes = _figure(curves, "False match rate (FMR)", "True accept rate (TAR)")
    for name, curve in curves.items():
        fmr, tar = _steps(curve)
        axes.plot(fmr, tar, label=f"{name}, EER {equal_error_rate(curve):.2%}")
    axes.set_xscale("log")
    axes.set_xlim(min(3 / curve.n_impostor for curve in curves.values()), 1)
    axes.set_ylim(*_frame([1 - curve.fnmr for curve in curves.values()]))
    axes.legend(loc="lower right")
    return figure


def plot_det(curves: Mapping[str, RocCurve]) -> "Figure":
    """FNMR against FMR, both on normal-deviate axes: normal scores give straight lines.

    Args:
        curves: Name for the legend -> curve.

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.

    Source:
        A. Martin et al., The DET curve in assessment of detection task performance, 1997.
    """
    figure, axes = _figure(curves, "False match rate (FMR)", "False non-match rate (FNMR)")
    ends = []
    for name, curve in curves.items():
        # Rates that the data cannot carry are not drawn.
        floor_fmr, floor_fnmr = 3 / curve.n_impostor, 3 / curve.n_genuine
        fmr, tar = _steps(curve)
        shown = (fmr >= floor_fmr) & (1 - tar >= floor_fnmr) & (fmr < 1) & (tar > 0)
        ends.append((floor_fmr, floor_fnmr))
        axes.plot(_deviate(fmr[shown]), _deviate(1 - tar[shown]), label=name)
    low_fmr, low_fnmr = (min(end[k] for end in ends) for k in (0, 1))
    _deviate_axis(axes, "x", low_fmr)
    _deviate_axis(axes, "y", low_fnmr)
    axes.legend(loc="upper right")
    return figure


def plot_scores(curve: RocCurve, *, threshold: float | None = None, bins: int = 100) -> "Figure":
    """Densities of genuine and impostor scores, with the threshold.

    Args:
        curve: Of the scores; failures have no score and are not drawn.
        threshold: Where to draw a line, or None.
        bins: How many bars over the range of scores.

    Raises:
        InputError: If the curve holds a single distinct score.
        MissingDependencyError: If matplotlib is not installed.
    """
    scores = curve.thresholds[1:]
    if len(scores) < 2:
        raise InputError("a histogram needs at least two distinct scores, got one")
    figure, axes = _figure({"scores": curve}, "Cosine similarity", "Density")
    edges = np.linspace(scores[-1], scores[0], bins + 1)
    for name, counts in (("genuine", curve.n_true_matches), ("impostor", curve.n_false_matches)):
        heights = np.histogram(scores, edges, weights=np.diff(counts), density=True)[0]
        axes.stairs(heights, edges, fill=True, alpha=0.5, label=f"{name} ({counts[-1]:,})")
    if threshold is not None:
        axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3f}")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


def plot_cmc(curves: Mapping[str, CmcCurve]) -> "Figure":
    """Identification rate against rank.

    Args:
        curves: Name for the legend -> curve.

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.
    """
    figure, axes = _figure(curves, "Rank", "Identification rate")
    for name, curve in curves.items():
        rates = curve.n_found / curve.n_searches
        ranks = np.arange(1, len(rates) + 1)
        axes.plot(ranks, rates, marker="o", markersize=3, label=f"{name} ({curve.n_searches:,})")
    axes.set_ylim(*_frame([curve.n_found / curve.n_searches for curve in curves.values()]))
    axes.locator_params(axis="x", integer=True)
    axes.legend(loc="lower right")
    return figure


def plot_reject(curves: Mapping[str, RejectCurve], *, up_to: float = 0.5) -> "Figure":
    """FNMR against the share of comparisons that are refused for poor quality.

    Args:
        curves: Name of each quality score -> curve.
        up_to: Right end of the axis, in (0, 1).

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.
    """
    figure, axes = _figure(curves, "Share of comparisons refused", "FNMR of the others")
    highest = 0.0
    for name, curve in curves.items():
        axes.step(curve.rejected, curve.fnmr, where="post", label=name)
        highest = max(highest, float(curve.fnmr[curve.rejected <= up_to].max()))
    worst = next(iter(curves.values()))
    refused = np.linspace(0, min(up_to, float(worst.fnmr[0])), 50)
    ideal = (worst.fnmr[0] - refused) / (1 - refused)
    axes.plot(refused, ideal, color="grey", linestyle=":", label="ideal")
    axes.set_xlim(0, up_to)
    axes.set_ylim(0, 1.05 * highest if highest else 1)
    axes.legend()
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a picture; the file's ending chooses the format (png, svg, pdf)."""
    figure.savefig(path, dpi=DPI)


def _figure(curves: Mapping[str, Any], x: str, y: str) -> "tuple[Figure, Axes]":
    if not curves:
        raise InputError("a picture needs at least one curve, got none")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "pictures need matplotlib; install it with: pip install 'vultus[plot]'"
        ) from error
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _steps(curve: RocCurve) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """FMR and TAR, thinned where there are far more points than a picture can show."""
    fmr, tar = curve.fmr, curve.tar
    if len(fmr) <= MAX_POINTS:
        return fmr, tar
    # As many points in every decade of the FMR, since its axis is logarithmic.
    wanted = np.geomspace(1 / curve.n_impostor, 1, MAX_POINTS)
    rows = np.unique(np.searchsorted(fmr, wanted, side="right") - 1)
    return fmr[rows], tar[rows]


def _frame(rates: list[npt.NDArray[np.float64]]) -> tuple[float, float]:
    """Lower and upper end of an axis of rates near 1."""
    lowest = min(float(values[values > 0].min(initial=1)) for values in rates)
    return max(0.0, lowest - 0.05), 1.002


def _deviate(rates: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    normal = NormalDist()
    return np.array([normal.inv_cdf(rate) for rate in rates.tolist()])


def _deviate_axis(axes: "Axes", which: str, lowest: float) -> None:
    ticks = np.array([tick for tick in DET_TICKS if lowest <= tick <= 0.5])
    labels = [f"$10^{{{round(np.log10(t))}}}$" if t <= 0.01 else f"{t:g}" for t in ticks]
    places = _deviate(ticks)
    limits = _deviate(np.array([min(lowest, 0.4), 0.6]))
    if which == "x":
        axes.set_xticks(places, labels)
        axes.set_xlim(*limits)
    else:
        axes.set_yticks(places, labels)
        axes.set_ylim(*limits)
