"""Pictures of error rates: ROC, DET, CMC, FNIR-FPIR, error versus reject, score histogram.

Needs matplotlib (the extra ``plot``), imported when a picture is drawn. Each function returns a
`matplotlib.figure.Figure`; no window is opened and no global state touched.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.files import writing
from vultus.evaluation.measures.error_versus_reject import RejectCurve
from vultus.evaluation.measures.histogram import ScoreHistogram, score_histogram
from vultus.evaluation.measures.identification import CmcCurve
from vultus.evaluation.measures.rates import RocCurve, equal_error_rate
from vultus.evaluation.plot_style import (
    OKABE_ITO,
    SeriesStyle,
    deviate_axis,
    new_figure,
    normal_deviates,
    plain_text,
    series_styles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_DPI = 150
_MAX_POINTS = 5000

_Styles = Mapping[str, SeriesStyle]
"""Name of a curve -> how it is drawn."""


def plot_roc(curves: Mapping[str, RocCurve], *, styles: _Styles | None = None) -> "Figure":
    """TAR against FMR, FMR on a logarithmic axis that ends where the data do (3 / n).

    Args:
        curves: Name for the legend -> curve.
        styles: How to draw each; None takes `series_styles`.

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.
    """
    figure, axes = _figure(curves, "False match rate (FMR)", "True accept rate (TAR)")
    lowest = min(0.5, *(3 / curve.n_impostor for curve in curves.values()))
    shown = []
    for name, line in _lines(curves, styles):
        fmr, tar = _steps(curves[name])
        label = f"{plain_text(name)}, EER {equal_error_rate(curves[name]):.2%}"
        axes.plot(fmr, tar, label=label, **line)
        shown.append(tar[fmr >= lowest])
    axes.set_xscale("log")
    axes.set_xlim(lowest, 1)
    axes.set_ylim(*_frame(shown))
    axes.legend(loc="lower right")
    return figure


def plot_det(curves: Mapping[str, RocCurve], *, styles: _Styles | None = None) -> "Figure":
    """FNMR against FMR, both on normal-deviate axes: normal scores give straight lines.

    Args:
        curves: Name for the legend -> curve.
        styles: How to draw each; None takes `series_styles`.

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.

    Source:
        A. Martin et al., The DET curve in assessment of detection task performance, 1997.
    """
    figure, axes = _figure(curves, "False match rate (FMR)", "False non-match rate (FNMR)")
    _draw_det(axes, curves, styles)
    return figure


def plot_open_set(curves: Mapping[str, RocCurve], *, styles: _Styles | None = None) -> "Figure":
    """FNIR against FPIR, both on normal-deviate axes.

    Args:
        curves: Name for the legend -> curve of `open_set_curve`.
        styles: How to draw each; None takes `series_styles`.

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.
    """
    labels = (
        "False positive identification rate (FPIR)",
        "False negative identification rate (FNIR)",
    )
    figure, axes = _figure(curves, *labels)
    _draw_det(axes, curves, styles)
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
    return plot_histogram(score_histogram(curve, bins=bins), threshold=threshold)


def plot_histogram(histogram: ScoreHistogram, *, threshold: float | None = None) -> "Figure":
    """Densities of genuine and impostor scores, each of area 1, with the threshold.

    Args:
        histogram: Counts of the scores.
        threshold: Where to draw a line, or None.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    figure, axes = new_figure("Cosine similarity", "Density")
    widths = np.diff(histogram.edges)
    kinds = (("genuine", histogram.genuine, ""), ("impostor", histogram.impostor, "////"))
    for (name, counts, hatch), colour in zip(kinds, OKABE_ITO, strict=False):
        heights = counts / (max(1, int(counts.sum())) * widths)
        # Two looks beside two colours: full and hatched.
        axes.stairs(
            heights, histogram.edges, fill=not hatch, hatch=hatch, color=colour, alpha=0.75,
            label=f"{name} ({counts.sum():,})",
        )  # fmt: skip
    if threshold is not None:
        axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3f}")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


def plot_cmc(curves: Mapping[str, CmcCurve], *, styles: _Styles | None = None) -> "Figure":
    """Identification rate against rank.

    Args:
        curves: Name for the legend -> curve.
        styles: How to draw each; None takes `series_styles`.

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.
    """
    figure, axes = _figure(curves, "Rank", "Identification rate")
    for name, line in _lines(curves, styles):
        curve = curves[name]
        rates = curve.n_found / curve.n_searches
        ranks = np.arange(1, len(rates) + 1)
        label = f"{plain_text(name)} ({curve.n_searches:,})"
        axes.plot(ranks, rates, marker="o", markersize=3, label=label, **line)
    axes.set_ylim(*_frame([curve.n_found / curve.n_searches for curve in curves.values()]))
    axes.locator_params(axis="x", integer=True)
    axes.legend(loc="lower right")
    return figure


def plot_distractors(
    rates: Mapping[str, Mapping[int, float]], *, rank: int = 1, styles: _Styles | None = None
) -> "Figure":
    """Identification rate against the number of distractors.

    Args:
        rates: Name for the legend -> number of distractors -> rate.
        rank: Of the rates, for the axis.
        styles: How to draw each; None takes `series_styles`.

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.
    """
    figure, axes = _figure(rates, "Distractors", f"Rank-{rank} identification rate")
    for name, line in _lines(rates, styles):
        sizes = sorted(rates[name])
        found = [rates[name][size] for size in sizes]
        axes.plot(sizes, found, marker="o", markersize=3, label=plain_text(name), **line)
    axes.set_xscale("log")
    axes.set_ylim(*_frame([np.array(list(some.values())) for some in rates.values()]))
    axes.legend(loc="lower left")
    return figure


def plot_reject(
    curves: Mapping[str, RejectCurve], *, up_to: float = 0.5, styles: _Styles | None = None
) -> "Figure":
    """FNMR against the share of comparisons that are refused for poor quality.

    The dotted line of each curve is what an oracle would reach, which refuses just the errors.

    Args:
        curves: Name of each quality score or model -> curve.
        up_to: Right end of the axis, in (0, 1).
        styles: How to draw each; None takes `series_styles`.

    Raises:
        InputError: If there is no curve.
        MissingDependencyError: If matplotlib is not installed.
    """
    figure, axes = _figure(curves, "Share of comparisons refused", "FNMR of the others")
    highest = 0.0
    ideals: dict[float, str] = {}
    for name, line in _lines(curves, styles):
        curve = curves[name]
        axes.step(curve.rejected, curve.fnmr, where="post", label=plain_text(name), **line)
        highest = max(highest, float(curve.fnmr[curve.rejected <= up_to].max()))
        ideals.setdefault(float(curve.fnmr[0]), line["color"])
    for error, colour in ideals.items():
        refused = np.linspace(0, min(up_to, error), 50)
        ideal = (error - refused) / (1 - refused)
        label = "ideal" if len(ideals) == 1 else "_ideal"
        shade = "grey" if len(ideals) == 1 else colour
        axes.plot(refused, ideal, color=shade, linestyle=":", linewidth=1, label=label)
    axes.set_xlim(0, up_to)
    axes.set_ylim(0, 1.05 * highest if highest else 1)
    axes.legend()
    return figure


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write a picture; the file's ending chooses the format (png, svg, pdf)."""
    path = Path(path)
    with writing(path) as stream:
        figure.savefig(stream, format=path.suffix[1:].lower() or "png", dpi=_DPI)


def _figure(curves: Mapping[str, Any], x: str, y: str) -> "tuple[Figure, Axes]":
    if not curves:
        raise InputError("a picture needs at least one curve, got none")
    return new_figure(x, y)


def _lines(curves: Mapping[str, Any], styles: _Styles | None) -> list[tuple[str, dict[str, Any]]]:
    """Each name with what its line looks like."""
    chosen = series_styles(curves) if styles is None else styles
    return [(name, chosen[name].line()) for name in curves]


def _draw_det(axes: "Axes", curves: Mapping[str, RocCurve], styles: _Styles | None) -> None:
    ends, highest = [], 0.05
    for name, line in _lines(curves, styles):
        curve = curves[name]
        # Rates that the data cannot carry are not drawn.
        floor_fmr, floor_fnmr = 3 / curve.n_impostor, 3 / curve.n_genuine
        fmr, tar = _steps(curve)
        shown = (fmr >= floor_fmr) & (1 - tar >= floor_fnmr) & (fmr < 1) & (tar > 0)
        ends.append((floor_fmr, floor_fnmr))
        highest = max(highest, float((1 - tar[shown]).max(initial=0)))
        deviates = normal_deviates(fmr[shown]), normal_deviates(1 - tar[shown])
        axes.plot(*deviates, label=plain_text(name), **line)
    low_fmr, low_fnmr = (min(0.4, *(end[k] for end in ends)) for k in (0, 1))
    deviate_axis(axes, "x", low_fmr)
    deviate_axis(axes, "y", low_fnmr, highest=min(0.6, 1.3 * highest))
    axes.legend(loc="upper right")


def _steps(curve: RocCurve) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """FMR and TAR, thinned where there are far more points than a picture can show."""
    fmr, tar = curve.fmr, curve.tar
    if len(fmr) <= _MAX_POINTS:
        return fmr, tar
    # As many points in every decade of the FMR, since its axis is logarithmic.
    wanted = np.geomspace(1 / curve.n_impostor, 1, _MAX_POINTS)
    rows = np.unique(np.searchsorted(fmr, wanted, side="right") - 1)
    return fmr[rows], tar[rows]


def _frame(rates: list[npt.NDArray[np.float64]]) -> tuple[float, float]:
    """Lower and upper end of an axis of rates near 1, with some room at either end."""
    lowest = min(float(values[values > 0].min(initial=1)) for values in rates)
    room = 0.08 * max(1 - lowest, 0.01)
    return max(0.0, lowest - room), 1 + room / 2
