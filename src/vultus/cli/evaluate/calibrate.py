"""`vultus calibrate`: a site's own thresholds, FPIR and match probability for a model."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from vultus.cli.options import (
    DetectorOption,
    ModelOption,
    ModelOptions,
    PrecisionOption,
    SelectOption,
)
from vultus.cli.output import ExitCode, JsonOption, note, out, print_json, progress_bar, say
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.core.errors import InputError
from vultus.core.files import write_text
from vultus.evaluation.calibration.fpir import GalleryPlan
from vultus.evaluation.calibration.plots import plot_gallery_thresholds, plot_reliability
from vultus.evaluation.calibration.run import (
    CalibrationPlan,
    CalibrationResult,
    LabelledFaces,
)
from vultus.evaluation.calibration.run import calibrate as run_calibration
from vultus.evaluation.measures.intervals import Interval
from vultus.evaluation.plots import save_figure
from vultus.models.cards import is_model_name
from vultus.models.store import ModelStore
from vultus.pipeline.measuring.labelled_faces import embedded_faces, photographed_faces


def calibrate(
    root: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Folder or zip with a folder of photos per person.",
            show_default=False,
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            "--embeddings",
            metavar="FILE",
            help="Instead of DIR: a file of `vultus embed`, photos in a folder per person.",
        ),
    ] = None,
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    precision: PrecisionOption = "f32",
    select: SelectOption = "central",
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photos are aligned crops already.")
    ] = False,
    fmr: Annotated[
        list[float] | None,
        typer.Option(
            "--fmr",
            help="False match rate to be carried; repeatable. Else 1e-2, 1e-3 ... as people allow.",
        ),
    ] = None,
    fpir: Annotated[
        float, typer.Option("--fpir", help="With --gallery-size: FPIR to be carried, (0, 1).")
    ] = 0.01,
    gallery_size: Annotated[
        int | None, typer.Option("--gallery-size", help="People that will be enrolled.")
    ] = None,
    photos_per_person: Annotated[
        int, typer.Option("--photos-per-person", help="With --gallery-size: photos of each.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Of the split into two halves.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write it; else into the model store, where every command finds it.",
        ),
    ] = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Folder to write pictures to.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Set a model's thresholds on half of the people in DIR, and check them on the other half."""
    galleries: tuple[GalleryPlan, ...] = ()
    if gallery_size is not None:
        galleries = (GalleryPlan(fpir, gallery_size, photos_per_person),)
    plan = CalibrationPlan(tuple(fmr or ()), galleries, seed=seed)
    if root is not None and embeddings is None:
        recognizer = ModelOptions(model=model, detector=detector).open(precision=precision)
        found_by = None if aligned else detector
        with progress_bar() as progress:
            faces = photographed_faces(
                root, recognizer, detector=found_by, select=select, progress=progress
            )
    elif embeddings is not None and root is None:
        faces = embedded_faces(embeddings)
    else:
        raise InputError("calibrate takes DIR or --embeddings FILE, one of them")
    target = _target(output, faces)
    result = run_calibration(faces, plan)
    _write(result, target)
    if plots is not None:
        _write_plots(result, plots)
    if json:
        print_json(_report(result, target))
    else:
        _print(result, target)
    return ExitCode.OK


def _target(output: Path | None, faces: LabelledFaces) -> Path:
    if output is not None:
        return output
    model = faces.embeddings.space.model
    if not is_model_name(model):
        raise InputError(f"the embeddings name no model of the store but {model!r}: give --output")
    return ModelStore().calibration_path(model)


def _write(result: CalibrationResult, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the calibration cannot be written to {target}: {error}") from error
    write_text(target, result.calibration.to_json())


def _write_plots(result: CalibrationResult, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(plot_reliability(result.probability), folder / "reliability.png")
    curves = result.calibration.fpir_curves
    if curves is None or not result.fpir:
        note("no picture of thresholds by gallery size: too few people for any FPIR")
        return
    figure = plot_gallery_thresholds(curves, fpir=result.fpir[0].plan.fpir)
    save_figure(figure, folder / "gallery_thresholds.png")


def _report(result: CalibrationResult, target: Path) -> dict[str, Any]:
    values = result.calibration.to_dict()
    # The curves behind them stay in the file.
    del values["gallery_rates"], values["evidence"]
    fitted = result.calibration.match_probability
    return {
        "file": str(target),
        **values,
        "probability_method": None if fitted is None else fitted.method,
    }


def _print(result: CalibrationResult, target: Path) -> None:
    calibration = result.calibration
    data = calibration.data
    say(f"{calibration.space}")
    say(
        f"{data.n_people:,} people ({data.n_photos:,} photos) set the thresholds, "
        f"{data.n_people_held_out:,} others ({data.n_photos_held_out:,}) checked them; "
        f"{data.failures:,} photos without a face were left out"
    )
    out.print(_fmr_table(result))
    if result.fpir:
        out.print(_fpir_table(result))
    else:
        say("too few people for any FPIR: identify keeps to the thresholds above")
    fitted = calibration.match_probability
    for name, check in result.probability.items():
        kept = fitted is not None and fitted.method == name
        say(
            f"probability, {name}: log loss {check.log_loss:.4f}, Brier {check.brier:.4f}, "
            f"ECE {check.calibration_error:.4f} on the others, prior 0.5"
            f"{' (kept)' if kept else ''}"
        )
    say(f"written to {target}")


def _fmr_table(result: CalibrationResult) -> Table:
    table = Table(title="verify", title_justify="left")
    for column in ("FMR at most", "threshold", "FMR, 95 %", "of others, 95 %", "TAR", "holds"):
        table.add_column(column, justify="right")
    for check in result.fmr:
        table.add_row(
            f"{check.target_fmr:.0e}",
            f"{check.stated.threshold:.4f}",
            _rate(check.stated.fmr, check.stated_interval),
            _rate(check.held_out.fmr, check.held_out_interval),
            f"{check.held_out.tar:.2%}",
            "yes" if check.holds else "NO",
        )
    return table


def _fpir_table(result: CalibrationResult) -> Table:
    table = Table(title="identify", title_justify="left")
    for column in ("people", "photos", "threshold", "FPIR, 95 %", "of others, 95 %", "holds"):
        table.add_column(column, justify="right")
    for check in result.fpir:
        seen = "too few"
        if check.held_out is not None and check.held_out_interval is not None:
            seen = _rate(check.held_out, check.held_out_interval)
        table.add_row(
            f"{check.plan.gallery_size:,}",
            str(check.plan.photos_per_person),
            f"{check.threshold.similarity:.4f}",
            _rate(check.plan.fpir, check.stated_interval),
            seen,
            {True: "yes", False: "NO", None: "-"}[check.holds],
        )
    return table


def _rate(rate: float, interval: Interval) -> str:
    return f"{rate:.1e} ({interval.low:.1e} - {interval.high:.1e})"
