"""`vultus evaluate`: measure a model on a published protocol or on a folder per person."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from vultus.cli.evaluate_run import RunSettings, run_evaluation
from vultus.cli.options import (
    DEFAULT_DETECTOR,
    DEFAULT_EMBEDDER,
    DetectorOption,
    PrecisionOption,
    SelectOption,
)
from vultus.cli.output import ExitCode, JsonOption, out, print_json
from vultus.evaluation.plots import plot_det, plot_roc, plot_scores, save_figure
from vultus.evaluation.protocols import PROTOCOLS
from vultus.evaluation.protocols.base import ProtocolResult
from vultus.evaluation.report.record_file import save_record
from vultus.evaluation.summary import Summary
from vultus.models.cards import Flip

__all__ = ["evaluate"]


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
    done = run_evaluation(run)
    result, report = done.result, done.figures
    if output is not None:
        save_record(output, done.record(worst=worst))
    if plots is not None:
        report["plots"] = [str(path) for path in _write_plots(result, plots)]
    if json:
        print_json(report)
    else:
        _print_report(result, report)
    return ExitCode.OK


def _print_report(result: ProtocolResult, report: dict[str, Any]) -> None:
    out.print(f"{result.protocol}: {result.space}", markup=False)
    out.print(
        f"{result.n_photos:,} photos, {result.failures:,} without a face "
        f"({report['detector'] or 'aligned crops'}); they count as errors",
        markup=False,
    )
    if result.accuracy is not None:
        folds = result.accuracy
        out.print(
            f"accuracy {folds.mean:.2%} +- {folds.standard_error:.2%} (standard error of "
            f"{len(folds.accuracies)} folds, std {folds.std:.2%}); 95 % {folds.interval.low:.2%} - "
            f"{folds.interval.high:.2%}, {folds.n_pairs:,} pairs",
            markup=False,
            soft_wrap=True,
        )
    _print_points("comparisons", result.comparisons)
    if result.all_pairs is not None:
        _print_points("every photo against every other", result.all_pairs)
    identification = report.get("identification")
    if identification:
        _print_identification(identification)
    for name, digest in result.files_sha256.items():
        out.print(f"{name} sha256 {digest}", markup=False, soft_wrap=True)


def _print_points(title: str, summary: Summary) -> None:
    figures = summary.to_dict()
    table = Table(
        title=f"{title}: {figures['n_genuine']:,} genuine, {figures['n_impostor']:,} impostor; "
        f"EER {figures['equal_error_rate']:.3%}, AUC {figures['area_under_curve']:.5f}",
        title_justify="left",
    )
    for column in ("FMR at most", "threshold", "FMR", "95 %", "TAR", "95 %", "intervals"):
        table.add_column(column, justify="right")
    for measured in summary.points:
        point = measured.point
        table.add_row(
            f"{point.target_fmr:.0e}",
            f"{point.threshold:.4f}",
            f"{point.fmr:.2e}",
            f"{measured.fmr_interval.low:.1e} - {measured.fmr_interval.high:.1e}",
            f"{point.tar:.2%}",
            f"{measured.tar_interval.low:.2%} - {measured.tar_interval.high:.2%}",
            f"{measured.fmr_interval.method.split()[0]}, {measured.tar_interval.method.split()[0]}",
        )
    if summary.points:
        out.print(table)
    else:
        out.print(table.title)
        out.print("too few impostor comparisons for any rate (3 / n must be at most 0.1)")


def _print_identification(figures: dict[str, Any]) -> None:
    ranks = ", ".join(f"rank-{rank} {row['rate']:.2%}" for rank, row in figures["rank"].items())
    out.print(
        f"1:N, {figures['n_enrolled']:,} enrolled, "
        f"{figures['n_mated']:,} searches for them: {ranks}"
    )
    for row in figures["open_set"]:
        out.print(
            f"  FPIR at most {row['target_fpir']:.0e} ({figures['n_strangers']:,} strangers): "
            f"FNIR {row['fnir']:.2%}"
        )


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
