"""The figures of a report: one look for each model, drawn as SVG that takes the page's colours."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

from vultus.evaluation.measures.rates import RocCurve
from vultus.evaluation.plot_style import SeriesStyle
from vultus.evaluation.plots import (
    plot_cmc,
    plot_det,
    plot_distractors,
    plot_histogram,
    plot_open_set,
    plot_reject,
    plot_roc,
)
from vultus.evaluation.report.comparison import Entry, ProtocolGroup
from vultus.evaluation.report.record import EvaluationRecord
from vultus.evaluation.report.tables import rate_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_SIZE_INCHES = (5.4, 3.9)
_NEEDLESS_IDS = re.compile(
    r' id="(?:figure|axes|patch|line2d|text|matplotlib|[xy]tick|legend)[^"]*"'
)


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """One figure of the page.

    Attributes:
        title: Plain text.
        svg: An ``<svg>`` element.
        caption: Plain text, may be empty.
    """

    title: str
    svg: str
    caption: str = ""


def protocol_figures(
    group: ProtocolGroup, styles: Mapping[str, SeriesStyle]
) -> Iterator[ReportFigure]:
    """All figures that the records of one protocol can give.

    Args:
        group: The records.
        styles: Label -> how to draw it.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    yield from _error_rates(group, styles)
    for entry in group.entries:
        yield from _histogram(entry, several=len(group.entries) > 1)
    records = {entry.label: entry.record for entry in group.entries}
    ranks = {name: record.cmc for name, record in records.items() if record.cmc is not None}
    if ranks:
        caption = "How often the mate is among the first."
        yield _drawn("CMC", plot_cmc(ranks, styles=styles), caption)
    distractors = {name: _first(record) for name, record in records.items()}
    known = {name: rates for name, rates in distractors.items() if rates}
    if known:
        caption = "How often the mate comes before all distractors."
        yield _drawn("Rank 1 among distractors", plot_distractors(known, styles=styles), caption)
    searches = _curves(group, "open_set")
    if searches:
        caption = "Missed mates against strangers given a name."
        yield _drawn("FNIR against FPIR", plot_open_set(searches, styles=styles), caption)
    for quality in dict.fromkeys(name for record in records.values() for name in record.reject):
        curves = {
            name: record.reject[quality]
            for name, record in records.items()
            if quality in record.reject
        }
        caption = "Dotted: what an oracle would reach that refuses just the errors."
        title = f"Error versus reject, by {quality}"
        yield _drawn(title, plot_reject(curves, styles=styles), caption)


def inline_svg(figure: "Figure", *, title: str) -> str:
    """A figure as an ``<svg>`` element whose black is the text colour of the page around it.

    Args:
        figure: Drawn for a light background; its background is left out.
        title: What a screen reader says.
    """
    from matplotlib import rc_context

    figure.set_size_inches(*_SIZE_INCHES)
    stream = StringIO()
    # Text stays text: it can be selected, and is drawn in a font that the reader has.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "vultus"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    drawn = stream.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = _NEEDLESS_IDS.sub("", drawn).replace("#000000", "currentColor")
    drawn = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", drawn)
    label = escape(title, quote=True)
    head = f'<svg role="img" aria-label="{label}" fill="currentColor" '
    return head + drawn.removeprefix("<svg ").replace("\n", " ").strip()


def _error_rates(group: ProtocolGroup, styles: Mapping[str, SeriesStyle]) -> Iterator[ReportFigure]:
    kinds = (("comparisons", ""), ("all_pairs", ", every photo against every other"))
    for kind, words in kinds:
        curves = _curves(group, kind)
        if curves:
            roc = plot_roc(curves, styles=styles)
            yield _drawn(f"ROC{words}", roc, "True accepts against false matches.")
            det = plot_det(curves, styles=styles)
            caption = "Normal-deviate axes, down to what the data carry (3 / n)."
            yield _drawn(f"DET{words}", det, caption)


def _histogram(entry: Entry, *, several: bool) -> Iterator[ReportFigure]:
    record = entry.record
    if record.histogram is None:
        return
    threshold = record.threshold
    title = f"Scores, {entry.label}" if several else "Scores"
    caption = f"Full: {record.histogram.genuine.sum():,} genuine; hatched: "
    caption += f"{record.histogram.impostor.sum():,} impostor."
    far = record.result.far
    if threshold is not None and far is not None:
        caption += f" Dashed: threshold {threshold:.4f}, FMR at most {rate_text(far)}."
    yield _drawn(title, plot_histogram(record.histogram, threshold=threshold), caption)


def _first(record: EvaluationRecord) -> dict[int, float]:
    """Number of distractors -> rank-1 rate."""
    rows = record.result.distractors or ()
    return {row.n_distractors: row.rank["1"].rate for row in rows}


def _curves(group: ProtocolGroup, kind: str) -> dict[str, RocCurve]:
    records = {entry.label: entry.record for entry in group.entries}
    return {
        label: record.curves[kind] for label, record in records.items() if kind in record.curves
    }


def _drawn(title: str, figure: "Figure", caption: str) -> ReportFigure:
    axes: Any
    for axes in figure.axes:
        # The page has one legend for all figures, which can wrap on a narrow screen.
        legend = axes.get_legend()
        if legend is not None:
            legend.remove()
    return ReportFigure(title, inline_svg(figure, title=title), caption)
