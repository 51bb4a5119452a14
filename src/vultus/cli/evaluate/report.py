"""`vultus report`: one page that compares models on protocols."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus import __version__
from vultus.cli.evaluate.run_settings import RunSettings, run_evaluation
from vultus.cli.options import DetectorOption, PrecisionOption, SelectOption
from vultus.cli.output import (
    ExitCode,
    FormOptions,
    note,
    print_csv,
    print_json,
    progress_bar,
    say,
)
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER, DEFAULT_SELECT
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.evaluation.report.record import EvaluationRecord
    from vultus.evaluation.report.worst_pairs import PairPhotos


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What is to be evaluated here and now."""

    run: Annotated[
        list[str] | None,
        typer.Option(
            help="Evaluate here and now, with each --model; repeat for more protocols.",
            metavar="PROTOCOL:ROOT[:PAIRS]",
            show_default=False,
        ),
    ] = None
    model: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Embedder for --run, {DEFAULT_EMBEDDER} if none is named; repeat to compare.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None
    detector: DetectorOption = DEFAULT_DETECTOR
    precision: PrecisionOption = "f32"
    select: SelectOption = DEFAULT_SELECT
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photos of --run are aligned crops already.")
    ] = False

    def settings(self) -> list[RunSettings]:
        """Of each protocol with each model."""
        if self.model and not self.run:
            raise InputError("--model is for --run; results in files name their model themselves")
        return [
            RunSettings(
                protocol=protocol,
                root=root,
                pairs=pairs,
                model=model,
                detector=self.detector,
                precision=self.precision,
                select=self.select,
                aligned=self.aligned,
            )
            for protocol, root, pairs in map(_parse_run, self.run or [])
            for model in self.model or [DEFAULT_EMBEDDER]
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page shows besides figures and curves."""

    worst: Annotated[
        int,
        typer.Option(
            help="Also show so many of the worst pairs of each kind, by their photos' names.",
            min=0,
        ),
    ] = 0
    photos: Annotated[
        list[str] | None,
        typer.Option(
            help="Show the photos of these pairs too, read from the folder, zip or .bin.",
            metavar="PROTOCOL:ROOT",
            show_default=False,
        ),
    ] = None
    speed: Annotated[
        bool, typer.Option("--speed", help="Also show photos per second and size of each model.")
    ] = False
    title: Annotated[str, typer.Option(help="Of the page.")] = "Face recognition report"


def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")],
    runs: Runs,
    shown: Shown,
    results: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files of `vultus evaluate ... --output FILE`; LABEL=FILE names the model.",
            metavar="[LABEL=]FILE...",
            show_default=False,
        ),
    ] = None,
    *,
    form: FormOptions,
) -> int:
    """Compare models on protocols: one HTML page that needs nothing else, and JSON or CSV."""
    from vultus.core.files import check_target
    from vultus.evaluation.plot_style import new_figure
    from vultus.evaluation.report.comparison import HEADLINES, compare
    from vultus.evaluation.report.page import write_report
    from vultus.pipeline.measuring.run import now

    # What can be wrong is found before hours of evaluation, not after.
    new_figure("", "")
    check_target(output)
    settings = runs.settings()
    sources = _photo_sources(shown.photos or [], worst=shown.worst)
    records = [_load(text) for text in results or []]
    records += [(None, _evaluate(run, worst=shown.worst)) for run in settings]
    comparison = compare(records, title=shown.title, created=now(), version=__version__)
    write_report(output, comparison, speed=shown.speed, worst=shown.worst, photos=sources)
    if form.json:
        print_json(comparison.to_dict(worst=shown.worst))
    elif form.csv:
        print_csv(HEADLINES, comparison.headlines())
    else:
        say(str(output))
    return ExitCode.OK


def _load(text: str) -> "tuple[str | None, EvaluationRecord]":
    """``FILE`` or ``LABEL=FILE``; a file whose own name holds a = is taken as it is."""
    from vultus.evaluation.report.result_file import load_record

    label, equals, path = text.partition("=")
    if not equals or Path(text).exists():
        return None, load_record(Path(text))
    return label, load_record(Path(path))


def _parse_run(text: str) -> tuple[str, Path, Path | None]:
    """``PROTOCOL:ROOT[:PAIRS]``; a colon inside an existing root's path is no separator."""
    protocol, root = _protocol_and_root(text, "--run")
    before, colon, after = root.rpartition(":")
    if colon and before and not Path(root).exists():
        return protocol, Path(before), Path(after)
    return protocol, Path(root), None


def _photo_sources(texts: Sequence[str], *, worst: int) -> "dict[str, PairPhotos]":
    from vultus.evaluation.report.worst_pairs import PairPhotos

    if texts and not worst:
        raise InputError("--photos shows the photos of the worst pairs: say how many by --worst N")
    pairs = (_protocol_and_root(text, "--photos") for text in texts)
    return {protocol: PairPhotos(Path(root)) for protocol, root in pairs}


def _protocol_and_root(text: str, option: str) -> tuple[str, str]:
    from vultus.evaluation.protocols import PROTOCOLS

    protocol, colon, root = text.partition(":")
    if not colon or not root:
        raise InputError(f"{option} must be PROTOCOL:ROOT, e.g. lfw:lfw.zip, got {text!r}")
    PROTOCOLS.get(protocol)
    return protocol, root


def _evaluate(run: RunSettings, *, worst: int) -> "EvaluationRecord":
    note(f"evaluating {run.model} on {run.protocol}")
    with progress_bar() as progress:
        return run_evaluation(run, progress=progress).record(worst=worst)
