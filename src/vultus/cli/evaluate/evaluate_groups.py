"""`vultus evaluate groups`: error rates inside groups of people and between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.options import FmrOptions, RecognizerOptions, SelectOption
from vultus.cli.output import (
    CsvOption,
    ExitCode,
    JsonOption,
    one_line,
    print_csv,
    print_json,
    print_table,
    progress_bar,
    say,
)
from vultus.core.choices import DEFAULT_SELECT
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.core.progress import Progress
    from vultus.evaluation.protocols.groups.figures import GroupFigures, RateFigures
    from vultus.evaluation.protocols.groups.labels import Grouping
    from vultus.pipeline.measuring.groups import LabelledRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOptions:
    """Which photos, and how they are put into groups."""

    labels: Annotated[
        Path, typer.Option(help="CSV file with a line a photo, columns named in the first.")
    ]
    root: Annotated[
        Path, typer.Option(help="Folder or zip of the photos, or .npz of their embeddings.")
    ]
    by: Annotated[
        list[str],
        typer.Option(help="Column to group by; repeat for more, which are crossed."),
    ]
    bands: Annotated[
        list[str] | None,
        typer.Option(
            help="Where the bands of a column of numbers begin: age=18,30,50; repeatable.",
            metavar="COLUMN=A,B,...",
            show_default=False,
        ),
    ] = None
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Photos that take part: sex=female, or a range, age=18.. or age=18..64; "
            "repeatable.",
            metavar="COLUMN=...",
            show_default=False,
        ),
    ] = None
    file_column: Annotated[str, typer.Option(help="Column that names the photo.")] = "file"
    person: Annotated[
        str | None,
        typer.Option(
            help="Column that says who is on it; `person` where there is one.",
            metavar="COLUMN",
            show_default=False,
        ),
    ] = None
    select: SelectOption = DEFAULT_SELECT
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photos are aligned crops already.")
    ] = False

    def data(self) -> "LabelledRoot":
        """What the options name."""
        from vultus.pipeline.measuring.groups import LabelledRoot

        return LabelledRoot(
            labels=self.labels,
            root=self.root,
            grouping=self._grouping(),
            file_column=self.file_column,
            person_column=self.person,
            aligned=self.aligned,
            select=self.select,
        )

    def _grouping(self) -> "Grouping":
        from vultus.evaluation.protocols.groups.labels import Grouping

        bands: dict[str, tuple[float, ...]] = {}
        for name, values in _assignments("--bands", self.bands):
            try:
                bands[name] = tuple(float(value) for value in values)
            except ValueError:
                raise InputError(
                    f"--bands must be COLUMN=A,B,... with numbers, got {name}={','.join(values)}"
                ) from None
        only = dict(_assignments("--only", self.only))
        return Grouping(by=tuple(self.by), bands=bands, only=only)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDecision(FmrOptions):
    """At which threshold, and which comparisons."""

    fmr_only: Annotated[
        bool,
        typer.Option(
            "--fmr-only",
            help="No genuine comparisons: who is who was only found to keep copies apart.",
        ),
    ] = False
    draws: Annotated[
        int, typer.Option(help="How often people are drawn anew for intervals.", min=0)
    ] = 1000
    seed: Annotated[int, typer.Option(help="Of the draws.", min=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutput:
    """What is written, and how it is printed."""

    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file to write: all figures.")
    ] = None
    html: Annotated[Path | None, typer.Option(help="Page to write, one HTML file.")] = None
    worst: Annotated[
        int,
        typer.Option(
            help="How many of the most alike pairs inside each group --output and --json name.",
            min=0,
        ),
    ] = 0
    csv: CsvOption = False
    json: JsonOption = False

    def __post_init__(self) -> None:
        if self.csv and self.json:
            raise InputError("--csv and --json are two ways to print the result; give one")


def evaluate_groups(
    groups: GroupOptions, decision: GroupDecision, models: RecognizerOptions, written: GroupOutput
) -> int:
    """Measure error rates inside groups of people and between them, on photos with labels."""
    from vultus.core.files import check_target
    from vultus.evaluation.protocols.figures import to_json
    from vultus.evaluation.report.group_page import write_group_page
    from vultus.evaluation.report.group_record import save_group_record

    for path in (written.output, written.html):
        if path is not None:
            check_target(path)  # before hours of evaluation, not after
    with progress_bar() as progress:
        figures = _measured(groups, decision, models, progress, worst=written.worst)
    if written.output is not None:
        save_group_record(written.output, figures)
    if written.html is not None:
        write_group_page(written.html, figures)
    if written.json:
        print_json(to_json(figures))
    elif written.csv:
        print_csv(_CSV, _csv_rows(figures))
    else:
        _print(figures)
    return ExitCode.OK


def _measured(
    groups: GroupOptions,
    decision: GroupDecision,
    models: RecognizerOptions,
    progress: "Progress",
    *,
    worst: int,
) -> "GroupFigures":
    from vultus.core.thresholds import Threshold
    from vultus.embedding.embedding_file import read_embedding_file
    from vultus.evaluation.protocols.groups.evaluation import GroupPlan
    from vultus.pipeline.measuring.groups import (
        card_thresholds,
        measure_groups,
        measure_stored_groups,
    )

    data = groups.data()
    stored = data.root.suffix == ".npz" and data.root.is_file()
    recognizer = None if stored else models.open()
    if decision.threshold is not None:
        rule, fmr = Threshold(decision.threshold), None
    elif recognizer is None:
        space = read_embedding_file(data.root).embeddings.space
        rule, fmr = card_thresholds(space).at_fmr(decision.fmr), decision.fmr
    else:
        rule, fmr = recognizer.threshold(decision.fmr), decision.fmr
    plan = GroupPlan(
        threshold=rule,
        fmr=fmr,
        genuine=not decision.fmr_only,
        draws=decision.draws,
        seed=decision.seed,
        worst=worst,
    )
    if recognizer is None:
        return measure_stored_groups(data, plan=plan, progress=progress)
    return measure_groups(data, recognizer, plan=plan, progress=progress)


def _assignments(option: str, words: Sequence[str] | None) -> "list[tuple[str, tuple[str, ...]]]":
    found: dict[str, tuple[str, ...]] = {}
    for word in words or ():
        name, equals, text = word.partition("=")
        values = tuple(part.strip() for part in text.split(","))
        if not equals or not name or not all(values):
            raise InputError(f"{option} must be COLUMN=VALUE or COLUMN=A,B,..., got {word!r}")
        if name in found:
            raise InputError(f"{option} names {name!r} twice; give all its values in one")
        found[name] = values
    return list(found.items())


def _print(figures: "GroupFigures") -> None:
    from vultus.evaluation.report.group_tables import (
        cautious_lines,
        differential_lines,
        interval_words,
        photo_words,
        rate_words,
    )

    say(f"groups by {' x '.join(figures.settings.by)}: {figures.model}")
    say(photo_words(figures))
    say(f"threshold {figures.threshold}")
    columns = list(_columns(figures))
    rows = zip(*(cells for _, cells in columns), strict=True)
    print_table([head for head, _ in columns], rows, justify="right")
    for words, rate in (
        ("everybody against everybody", figures.crowd),
        ("two people of one group, all groups together", figures.inside),
    ):
        say(
            f"FMR, {words}: {rate_words(rate)} (95 % {interval_words(rate.interval)}), "
            f"{rate.n:,} comparisons"
        )
    for name, words in differential_lines(figures):
        say(one_line(f"{name}: {words}"))
    for line in cautious_lines(figures):
        say(one_line(line))


def _columns(figures: "GroupFigures") -> "Iterator[tuple[str, list[str]]]":
    """Heads and cells of the table; columns of which nothing is known are left out."""
    from vultus.evaluation.report.group_tables import (
        interval_words,
        needed_words,
        number_words,
        rate_words,
        shown_target,
    )

    cells, target = figures.cells, shown_target(figures)
    yield "group", [one_line(cell.name) for cell in cells]
    yield "photos", [f"{cell.n_photos:,}" for cell in cells]
    yield "people", [f"{cell.n_people:,}" for cell in cells]
    if any(cell.no_face.n_errors for cell in cells):
        yield "no face", [rate_words(cell.no_face, percent=True) for cell in cells]
    if figures.settings.gate:
        yield "refused", [rate_words(cell.refused, percent=True) for cell in cells]
    yield "FMR", [rate_words(cell.fmr) for cell in cells]
    yield "95 %", [interval_words(cell.fmr.interval) for cell in cells]
    if figures.fnmr_differentials is not None:
        yield "FNMR", [rate_words(cell.fnmr, percent=True) for cell in cells]
        known = [cell.fnmr.interval if cell.fnmr is not None else None for cell in cells]
        yield "95 %", [interval_words(interval, percent=True) for interval in known]
    yield f"{number_words(target)} needs", [needed_words(cell, target)[0] for cell in cells]


_CSV = (
    *("group", "photos", "people", "no_face", "refused"),
    *("fmr", "fmr_low", "fmr_high", "n_false_matches", "n_impostor"),
    *("fnmr", "fnmr_low", "fnmr_high", "n_false_non_matches", "n_genuine"),
    *("target_fmr", "threshold_needed", "threshold_low", "threshold_high"),
)


def _csv_rows(figures: "GroupFigures") -> "Iterator[list[str | float | None]]":
    from vultus.evaluation.report.group_tables import shown_target

    target = shown_target(figures)
    for cell in figures.cells:
        found = next(figure for figure in cell.needed if figure.target_fmr == target)
        ends = found.interval
        yield [
            *(cell.name, cell.n_photos, cell.n_people),
            *(_csv_share(cell.no_face), _csv_share(cell.refused)),
            *_csv_rate(cell.fmr),
            *_csv_rate(cell.fnmr),
            *(target, found.threshold),
            *((None, None) if ends is None else (ends.low, ends.high)),
        ]


def _csv_share(figure: "RateFigures | None") -> float | None:
    return None if figure is None or not figure.n else figure.n_errors / figure.n


def _csv_rate(figure: "RateFigures | None") -> "list[float | None]":
    if figure is None:
        return [None] * 5
    ends = figure.interval
    low, high = (None, None) if ends is None else (ends.low, ends.high)
    return [figure.rate, low, high, figure.n_errors, figure.n]
