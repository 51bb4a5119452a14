"""`vultus report`: one page that compares models on protocols."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from vultus import __version__
from vultus.cli.options import DetectorOption, PrecisionOption, SelectOption
from vultus.cli.output import ExitCode, JsonOption, note, print_json, progress_bar, say
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.core.errors import InputError
from vultus.core.files import check_target
from vultus.evaluation.plot_style import new_figure
from vultus.evaluation.protocols import PROTOCOLS
from vultus.evaluation.report.comparison import compare
from vultus.evaluation.report.page import write_report
from vultus.evaluation.report.record import EvaluationRecord
from vultus.evaluation.report.result_file import load_record
from vultus.evaluation.report.worst_pairs import PairPhotos
from vultus.pipeline.measuring.run import RunSettings, now, run_evaluation


def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")],
    results: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files of `vultus evaluate ... --output FILE`; LABEL=FILE names the model.",
            metavar="[LABEL=]FILE...",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            help="Evaluate here and now, with each --model; repeat for more protocols.",
            metavar="PROTOCOL:ROOT[:PAIRS]",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help=f"Embedder for --run, {DEFAULT_EMBEDDER} if none is named; repeat to compare.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    detector: DetectorOption = DEFAULT_DETECTOR,
    precision: PrecisionOption = "f32",
    select: SelectOption = "central",
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photos of --run are aligned crops already.")
    ] = False,
    worst: Annotated[
        int,
        typer.Option(
            "--worst",
            help="Also show so many of the worst pairs of each kind, by their photos' names.",
            min=0,
        ),
    ] = 0,
    photos: Annotated[
        list[str] | None,
        typer.Option(
            "--photos",
            help="Show the photos of these pairs too, read from the folder, zip or .bin.",
            metavar="PROTOCOL:ROOT",
            show_default=False,
        ),
    ] = None,
    speed: Annotated[
        bool, typer.Option("--speed", help="Also show photos per second and size of each model.")
    ] = False,
    title: Annotated[str, typer.Option("--title", help="Of the page.")] = "Face recognition report",
    json: JsonOption = False,
) -> int:
    """Compare models on protocols: one HTML page that needs nothing else, and JSON."""
    # What can be wrong is found before hours of evaluation, not after.
    new_figure("", "")
    check_target(output)
    if model and not run:
        raise InputError("--model is for --run; results in files name their model themselves")
    sources = _photo_sources(photos or [], worst=worst)
    records = [_load(text) for text in results or []]
    runs = [
        RunSettings(
            protocol=protocol,
            root=root,
            pairs=pairs,
            model=name,
            detector=detector,
            precision=precision,
            select=select,
            aligned=aligned,
        )
        for protocol, root, pairs in map(_parse_run, run or [])
        for name in model or [DEFAULT_EMBEDDER]
    ]
    records += [(None, _evaluate(settings, worst=worst)) for settings in runs]
    comparison = compare(records, title=title, created=now(), version=__version__)
    write_report(output, comparison, speed=speed, worst=worst, photos=sources)
    if json:
        print_json(comparison.to_dict(worst=worst))
    else:
        say(str(output))
    return ExitCode.OK


def _load(text: str) -> tuple[str | None, EvaluationRecord]:
    """``FILE`` or ``LABEL=FILE``; a file whose own name holds a = is taken as it is."""
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


def _photo_sources(texts: Sequence[str], *, worst: int) -> dict[str, PairPhotos]:
    if texts and not worst:
        raise InputError("--photos shows the photos of the worst pairs: say how many by --worst N")
    pairs = (_protocol_and_root(text, "--photos") for text in texts)
    return {protocol: PairPhotos(Path(root)) for protocol, root in pairs}


def _protocol_and_root(text: str, option: str) -> tuple[str, str]:
    protocol, colon, root = text.partition(":")
    if not colon or not root:
        raise InputError(f"{option} must be PROTOCOL:ROOT, e.g. lfw:lfw.zip, got {text!r}")
    PROTOCOLS.get(protocol)
    return protocol, root


def _evaluate(settings: RunSettings, *, worst: int) -> EvaluationRecord:
    note(f"evaluating {settings.model} on {settings.protocol}")
    with progress_bar() as progress:
        return run_evaluation(settings, progress=progress).record(worst=worst)
