"""`vultus evaluate`: measure a model on a published protocol or on a folder per person."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.evaluate.evaluate_print import print_result
from vultus.cli.options import DetectorOption, PrecisionOption, SelectOption
from vultus.cli.output import ExitCode, JsonOption, print_json, progress_bar
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER, Flip
from vultus.core.files import check_target
from vultus.evaluation.plots import plot_det, plot_roc, plot_scores, save_figure
from vultus.evaluation.protocols import PROTOCOLS
from vultus.evaluation.protocols.figures import to_json
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.report.result_file import save_record
from vultus.pipeline.measuring.run import RunSettings, run_evaluation


def evaluate(
    protocol: Annotated[
        str, typer.Argument(help=f"One of: {', '.join(PROTOCOLS)}.", metavar="PROTOCOL")
    ],
    root: Annotated[
        Path,
        typer.Option("--root", help="Folder, zip or .bin of the photos, or .npz of embeddings."),
    ],
    pairs: Annotated[
        Path | None,
        typer.Option("--pairs", help="List of pairs, where it is not found in the root."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help=f"Embedder: a name of `vultus models list`; {DEFAULT_EMBEDDER} if none is given.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    detector: DetectorOption = DEFAULT_DETECTOR,
    precision: PrecisionOption = "f32",
    select: SelectOption = "central",
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photos are aligned crops already.")
    ] = False,
    flip: Annotated[
        Flip | None,
        typer.Option(
            "--flip",
            help="What to do with the mirrored view; the model card says it otherwise.",
            show_default=False,
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            "--embeddings",
            help="File of `vultus embed` or --save-embeddings to take instead of photos.",
        ),
    ] = None,
    save_embeddings: Annotated[
        Path | None,
        typer.Option("--save-embeddings", help="File to write the photos' embeddings to."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting of the protocol; repeat for more. The guide to evaluation lists them.",
            metavar="NAME=VALUE",
            show_default=False,
        ),
    ] = None,
    far: Annotated[
        float | None,
        typer.Option(
            "--far",
            help="False match rate of `tar_at_far`; 1e-3, or the strictest that the data carry.",
            show_default=False,
        ),
    ] = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Folder to write ROC, DET and histogram to.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="JSON file to write for `vultus report`: figures and curves."
        ),
    ] = None,
    worst: Annotated[
        int,
        typer.Option(
            "--worst",
            help="How many of the worst pairs --output names, by their photos' file names.",
            min=0,
        ),
    ] = 20,
    json: JsonOption = False,
) -> int:
    """Measure a model on a protocol; every figure comes with its counts and a 95 % interval."""
    run = RunSettings(
        protocol=protocol,
        root=root,
        pairs=pairs,
        model=model,
        detector=detector,
        precision=precision,
        select=select,
        aligned=aligned,
        flip=flip,
        embeddings=embeddings,
        save_embeddings=save_embeddings,
        settings=tuple(settings or ()),
        far=far,
    )
    if output is not None:
        check_target(output)  # before hours of evaluation, not after
    with progress_bar() as progress:
        done = run_evaluation(run, progress=progress)
    if output is not None:
        save_record(output, done.record(worst=worst))
    drawn = [] if plots is None else _write_plots(done.result, plots)
    if json:
        told = {"plots": [str(path) for path in drawn]} if drawn else {}
        print_json({**to_json(done.figures), **told})
    else:
        print_result(done.result, done.figures)
    return ExitCode.OK


def _write_plots(result: ProtocolResult, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    curves = {result.protocol: result.comparisons.curve}
    if result.all_pairs is not None:
        curves["all pairs"] = result.all_pairs.curve
    points = result.comparisons.points
    threshold = points[-1].point.threshold if points else None
    figures = {
        "roc.png": plot_roc(curves),
        "det.png": plot_det(curves),
        "scores.png": plot_scores(result.comparisons.curve, threshold=threshold),
    }
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    return [folder / name for name in figures]
