"""An evaluation of groups as one HTML file that needs nothing else."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vultus.core.thresholds import smallest_claim
from vultus.evaluation.protocols.groups.figures import GroupFigures, RateFigures
from vultus.evaluation.report.group_tables import (
    NOTHING,
    UNMEASURABLE,
    cautious_lines,
    differential_lines,
    interval_words,
    needed_words,
    number_words,
    photo_words,
    rate_words,
)
from vultus.evaluation.report.tables import Cell, Table
from vultus.pages.page import write_page

_READING = (
    "A false match is a comparison of two different people at or above the threshold; FMR is their "
    "share (NIST: FMR differentials; ISO/IEC 19795-10:2024: differential performance of "
    "demographic groups). Inside a group both people are of it: that is what an impostor who looks "
    "the part does, and what a mixed crowd hides. Two photos of one person are never an impostor "
    "comparison. Photos without a face, and faces that the gate refuses, take no part in FMR and "
    "fail each of their genuine comparisons (FNMR).",
    "Intervals are 95 %, from drawing people anew with replacement. n comparisons carry no rate "
    "below 3 / n: where fewer than three errors were seen the rate is given as below the upper "
    "end of its interval, and takes no part in differentials. Of groups of few people intervals "
    "are themselves uncertain.",
    "Highest over lowest, and over the geometric mean: NISTIR 8429. Gini coefficient, corrected "
    "for few groups, and GARBE: Howard et al., 2022; 0 = all alike, 1 = one group has all errors. "
    "The threshold that a group needs is the lowest at which the FMR inside of it is at most that.",
)
_HEAT = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Times the rate that was asked for: where the next shade of a table begins."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One group in the picture of rates; places in per cent of the axis.

    Attributes:
        name: Of the group.
        text: Its rate in words.
        place: Of the rate, or None where only an upper bound is known.
        low: Of the interval's lower end.
        high: Of its upper end.
    """

    name: str
    text: str
    place: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of a matrix.

    Attributes:
        text: The rate.
        detail: Its interval and count, for who points at it.
        shade: 0 to 5.
    """

    text: str
    detail: str
    shade: int


def write_group_page(path: str | Path, figures: GroupFigures) -> None:
    """Write the page; an existing file is replaced. It names no person and shows no photo.

    Raises:
        InputError: If the folder does not exist, or the disk refuses.
    """
    scale = _Scale.of(figures)
    values = {
        "title": f"{figures.model.model}: groups by {' x '.join(figures.settings.by)}",
        "footer": f"Made by Vultus {figures.settings.version} on {figures.created}",
        "privacy": "",
        "facts": list(_facts(figures)),
        "differentials": list(differential_lines(figures)),
        "reading": _READING,
        "dots": [scale.dot(cell.name, cell.fmr) for cell in figures.cells],
        "crowd": scale.dot("everybody against everybody", figures.crowd),
        "ticks": scale.ticks(),
        "asked": None if figures.target_fmr is None else scale.place(figures.target_fmr),
        "asked_text": "" if figures.target_fmr is None else number_words(figures.target_fmr),
        "cautious": list(cautious_lines(figures)),
        "tables": [_cells(figures), _needed(figures)],
        "matrices": list(_matrices(figures)),
        "heat": [f"over {step:g} times" for step in _HEAT],
        "provenance": _provenance(figures),
    }
    write_page(path, "groups.html.j2", values)


def _facts(figures: GroupFigures) -> Iterator[str]:
    yield photo_words(figures)
    yield f"threshold {figures.threshold}"
    for words, rate in (
        ("of everybody against everybody (a mixed crowd)", figures.crowd),
        ("inside the groups, all together", figures.inside),
    ):
        yield (
            f"FMR {words}: {rate_words(rate)} (95 % {interval_words(rate.interval)}; "
            f"{rate.n:,} comparisons)"
        )


@dataclass(frozen=True, slots=True)
class _Scale:
    """A logarithmic axis of rates, from one power of ten to another."""

    low: int
    high: int

    @classmethod
    def of(cls, figures: GroupFigures) -> "_Scale":
        rates = [cell.fmr for cell in figures.cells] + [figures.crowd]
        ends = [end for r in rates if r.interval for end in (r.interval.low, r.interval.high)]
        known = [end for end in ends if end > 0] + [r.rate for r in rates if r.rate]
        if figures.target_fmr is not None:
            known.append(figures.target_fmr)
        if not known:
            return cls(-4, 0)
        low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
        return cls(max(low, -9), max(high, low + 1))

    def place(self, rate: float) -> float:
        """In per cent of the axis."""
        if rate <= 0:
            return 0.0
        share = (math.log10(rate) - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def dot(self, name: str, rate: RateFigures) -> Dot:
        ends = (0.0, 0.0)
        if rate.interval is not None:
            ends = (self.place(rate.interval.low), self.place(rate.interval.high))
        place = None if rate.rate is None else self.place(rate.rate)
        words = rate_words(rate)  # a column too narrow for words
        return Dot(name, NOTHING if words == UNMEASURABLE else words, place, *ends)

    def ticks(self) -> list[tuple[float, str]]:
        powers = range(self.low, self.high + 1)
        return [(self.place(10.0**power), f"1e{power}" if power else "1") for power in powers]


def _cells(figures: GroupFigures) -> Table:
    genuine = figures.fnmr_differentials is not None
    head = ("group", "photos", "people", "no face", "refused", "FMR inside")
    rows = []
    for cell in figures.cells:
        row = [Cell(cell.name), Cell(f"{cell.n_photos:,}"), Cell(f"{cell.n_people:,}")]
        row += [_rate(cell.no_face, percent=True), _rate(cell.refused, percent=True)]
        row.append(_rate(cell.fmr))
        if genuine:
            row.append(_rate(cell.fnmr, percent=True))
        rows.append(tuple(row))
    return Table("Groups", head + (("FNMR inside",) if genuine else ()), tuple(rows))


def _rate(figure: RateFigures | None, *, percent: bool = False) -> Cell:
    if figure is None or not figure.n:
        return Cell(rate_words(figure))
    words = interval_words(figure.interval, percent=percent)
    return Cell(
        rate_words(figure, percent=percent), f"{words}\n{figure.n_errors:,} of {figure.n:,}"
    )


def _needed(figures: GroupFigures) -> Table:
    targets = [figure.target_fmr for cell in figures.cells[:1] for figure in cell.needed]
    rows = tuple(
        (Cell(cell.name), *(Cell(*needed_words(cell, target)) for target in targets))
        for cell in figures.cells
    )
    head = ("group", *(f"FMR {number_words(target)}" for target in targets))
    least = smallest_claim(max(cell.fmr.n for cell in figures.cells) or 1)
    note = f"The largest group carries rates down to {number_words(least)}."
    return Table("The threshold that each group would need", head, rows, note)


def _matrices(figures: GroupFigures) -> Iterator[tuple[str, Sequence[str], list[list[HeatCell]]]]:
    unit = figures.threshold.fmr or figures.crowd.rate
    for matrix in figures.matrices:
        yield f"FMR, {matrix.title}", matrix.values, _heat(matrix.fmr, unit)
        if matrix.fnmr is not None:
            yield f"FNMR, {matrix.title}", matrix.values, _heat(matrix.fnmr, None)


def _heat(rates: tuple[tuple[RateFigures, ...], ...], unit: float | None) -> list[list[HeatCell]]:
    return [[_heat_cell(rate, unit) for rate in row] for row in rates]


def _heat_cell(rate: RateFigures, unit: float | None) -> HeatCell:
    times = 0.0 if rate.rate is None or not unit else rate.rate / unit
    detail = f"{interval_words(rate.interval)}; {rate.n_errors:,} of {rate.n:,}"
    return HeatCell(rate_words(rate), detail, sum(times > step for step in _HEAT))


def _provenance(figures: GroupFigures) -> Table:
    settings = figures.settings
    told = {
        "model": str(figures.model),
        "weights": figures.model.weights_sha256,
        "labels": f"{settings.labels}, SHA-256 {settings.labels_sha256}",
        "photos": settings.root,
        "faces": settings.detector or "aligned crops or stored embeddings",
        "gate": "refused faces are left out" if settings.gate else "none",
        "person": settings.person or "each photo is taken as another person",
        "bands": "; ".join(
            f"{name}: {', '.join(f'{start:g}' for start in starts)}"
            for name, starts in settings.bands.items()
        ),
        "only": "; ".join(f"{n} = {', '.join(v)}" for n, v in settings.only.items()),
        "draws": f"{settings.draws:,}, seed {settings.seed}",
    }
    rows = tuple((Cell(name), Cell(text)) for name, text in told.items() if text)
    return Table("Where it comes from", ("what", "which"), rows, code=True)
