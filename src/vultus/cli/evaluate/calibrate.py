"""`vultus calibrate`: a site's own thresholds, FPIR and match probability for a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.cli.options import EmbedderOptions, SelectOption
from vultus.cli.output import (
    ExitCode,
    JsonOption,
    note,
    print_json,
    print_table,
    progress_bar,
    say,
)
from vultus.core.choices import DEFAULT_FPIR, DEFAULT_SELECT
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.evaluation.calibration.run import LabelledFaces
    from vultus.evaluation.measures.intervals import Interval
    from vultus.pipeline.measuring import CalibrationPlan, CalibrationResult
    from vultus.pipeline.recognizer import Recognizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The error rates that the calibration must carry."""

    fmr: Annotated[
        list[float] | None,
        typer.Option(
            help="False match rate to be carried; repeatable. Else 1e-2, 1e-3 ... as people allow.",
        ),
    ] = None
    fpir: Annotated[
        float, typer.Option(help="With --gallery-size: FPIR to be carried, (0, 1).")
    ] = DEFAULT_FPIR
    gallery_size: Annotated[int | None, typer.Option(help="People that will be enrolled.")] = None
    photos_per_person: Annotated[int, typer.Option(help="With --gallery-size: photos of each.")] = 1
    photos_per_probe: Annotated[
        int, typer.Option(help="With --gallery-size: photos of a probe that are fused.")
    ] = 1
    seed: Annotated[int, typer.Option(help="Of the split into two halves.")] = 0
    extrapolate: Annotated[
        bool,
        typer.Option(
            "--extrapolate",
            help="Go on below what is counted, by a tail fitted to the highest scores.",
        ),
    ] = False

    def plan(self) -> "CalibrationPlan":
        """What is to be measured."""
        from vultus.evaluation.calibration.fpir import GalleryPlan
        from vultus.pipeline.measuring import CalibrationPlan

        galleries: tuple[GalleryPlan, ...] = ()
        if self.gallery_size is not None:
            photos = self.photos_per_person, self.photos_per_probe
            galleries = (GalleryPlan(self.fpir, self.gallery_size, *photos),)
        return CalibrationPlan(
            tuple(self.fmr or ()), galleries, seed=self.seed, extrapolate=self.extrapolate
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """The people to calibrate on."""

    root: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Folder or zip with a folder of photos per person.",
            show_default=False,
        ),
    ] = None
    embeddings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Instead of DIR: a file of `vultus embed`, photos in a folder per person.",
        ),
    ] = None
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE",
            help="Other people, who check; all of DIR, or of --embeddings, then set thresholds.",
        ),
    ] = None
    select: SelectOption = DEFAULT_SELECT
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photos are aligned crops already.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What is written."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write it; else into the model store, where every command finds it.",
        ),
    ] = None
    plots: Annotated[Path | None, typer.Option(help="Folder to write pictures to.")] = None

    def check(self) -> None:
        """Refuse what cannot be written before hours of work, not after."""
        from vultus.core.files import check_folder
        from vultus.evaluation.plot_style import new_figure
        from vultus.pipeline.measuring import check_calibration_file

        if self.output is not None:
            check_calibration_file(self.output)
        if self.plots is not None:
            check_folder(self.plots)
            new_figure("", "")


def calibrate(
    faces: Faces,
    models: EmbedderOptions,
    claims: Claims,
    written: Written,
    json: JsonOption = False,
) -> int:
    """Set a model's thresholds on half of the people in DIR, and check them on the other half."""
    from vultus.pipeline import measuring

    plan = claims.plan()
    written.check()
    if faces.root is not None and faces.embeddings is not None:
        raise InputError("calibrate takes DIR or --embeddings FILE, one of them")
    source = faces.root if faces.embeddings is None else faces.embeddings
    if source is None:
        raise InputError("calibrate takes DIR or --embeddings FILE, one of them")
    recognizer = models.open()
    whole = plan if faces.check is None else None
    labelled = _labelled(source, faces, recognizer, whole)
    check = None if faces.check is None else _labelled(faces.check, faces, recognizer, None)
    space = labelled.embeddings.space
    target = measuring.calibration_file(space) if written.output is None else written.output
    result = measuring.calibrate(labelled, plan, check=check)
    measuring.save_calibration(result.calibration, target)
    if written.plots is not None:
        _write_plots(result, written.plots)
    if json:
        print_json(_report(result, target))
    else:
        _print(result, target)
    return ExitCode.OK


def _labelled(
    source: Path, faces: Faces, recognizer: "Recognizer", plan: "CalibrationPlan | None"
) -> "LabelledFaces":
    """Of photos in a folder per person, or of a file of their embeddings."""
    from vultus.pipeline import measuring

    if source is faces.embeddings or (source is faces.check and _is_embeddings(source)):
        return measuring.embedded_faces(source)
    with progress_bar() as progress:
        return measuring.photographed_faces(
            source,
            recognizer,
            aligned=faces.aligned,
            select=faces.select,
            plan=plan,
            progress=progress,
        )


def _is_embeddings(path: Path) -> bool:
    return path.suffix.lower() == ".npz"


def _write_plots(result: "CalibrationResult", folder: Path) -> None:
    from vultus.pipeline.measuring.pictures import write_calibration_plots

    if len(write_calibration_plots(result, folder)) == 1:
        note("no picture of thresholds by gallery size: too few people for any FPIR")


def _report(result: "CalibrationResult", target: Path) -> dict[str, Any]:
    values = result.calibration.to_dict()
    # The curves behind them stay in the file.
    del values["gallery_rates"], values["evidence"], values["misses"]
    fitted = result.calibration.match_probability
    return {
        "file": str(target),
        **values,
        "probability_method": None if fitted is None else fitted.method,
    }


def _print(result: "CalibrationResult", target: Path) -> None:
    calibration = result.calibration
    data = calibration.data
    say(f"{calibration.space}")
    say(
        f"{data.n_people:,} people ({data.n_photos:,} photos) set the thresholds, "
        f"{data.n_people_held_out:,} others ({data.n_photos_held_out:,}) checked them; "
        f"{data.failures:,} photos without a face, or with several (--select), were left out"
    )
    _print_fmr(result)
    if any(point.extrapolated for point in calibration.thresholds.points):
        _print_tail(result)
    if result.fpir:
        _print_fpir(result)
    else:
        say("too few people for any FPIR: identify keeps to the thresholds above")
    _print_misses(result)
    fitted = calibration.match_probability
    for name, check in result.probability.items():
        kept = fitted is not None and fitted.method == name
        say(
            f"probability, {name}: log loss {check.log_loss:.4f}, Brier {check.brier:.4f}, "
            f"ECE {check.calibration_error:.4f} on the others, prior 0.5"
            f"{' (kept)' if kept else ''}"
        )
    say(f"written to {target}")


def _print_fmr(result: "CalibrationResult") -> None:
    head = ("FMR at most", "threshold", "FMR, 95 %", "of others, 95 %", "TAR", "holds")
    rows = [
        (
            f"{check.target_fmr:.0e}",
            f"{check.stated.threshold:.4f}",
            _rate(check.stated.fmr, check.stated_interval),
            _rate(check.held_out.fmr, check.held_out_interval),
            f"{check.held_out.tar:.2%}",
            "yes" if check.holds else "NO",
        )
        for check in result.fmr
    ]
    print_table(head, rows, title="verify", justify="right")


def _print_fpir(result: "CalibrationResult") -> None:
    head = ("people", "photos", "a probe", "threshold", "FPIR, 95 %", "of others, 95 %", "holds")
    rows = [
        (
            f"{check.plan.gallery_size:,}",
            str(check.plan.photos_per_person),
            str(check.plan.photos_per_probe),
            f"{check.threshold.similarity:.4f}",
            _rate(check.plan.fpir, check.stated_interval),
            "too few"
            if check.held_out is None or check.held_out_interval is None
            else _rate(check.held_out, check.held_out_interval),
            {True: "yes", False: "NO", None: "-"}[check.holds],
        )
        for check in result.fpir
    ]
    print_table(head, rows, title="identify", justify="right")


def _print_tail(result: "CalibrationResult") -> None:
    points = [x for x in result.calibration.thresholds.points if x.fmr_by_tail is not None]
    rows = [
        (
            f"{x.fmr:.0e}",
            f"{x.similarity:.4f}",
            f"{x.fmr_by_tail:.1e}",
            f"{x.n_false} of {x.n_impostor:,}",
        )
        for x in points
    ]
    head = ("FMR at most", "threshold", "FMR by the tail", "pairs of people that reach it")
    print_table(head, rows, title="verify, extrapolated", justify="right")


def _print_misses(result: "CalibrationResult") -> None:
    curves = result.calibration.fnir_curves
    if curves is None:
        return
    for level in curves.levels:
        found = [
            f"{fnir:.0%} (up to {high:.0%}) at {point.similarity:.4f}"
            for point in result.calibration.thresholds.points
            for fnir, high in [level.at(point.similarity)]
        ]
        probe = level.photos_per_probe
        if probe > 1 and level.photos_per_person > 1:
            continue  # in the file, as all
        said = f"{level.photos_per_person} photo(s) each"
        said += f", {probe} of a probe" if probe > 1 else ""
        say(f"missed of the enrolled, {said}: {', '.join(found)}")


def _rate(rate: float, interval: "Interval") -> str:
    return f"{rate:.1e} ({interval.low:.1e} - {interval.high:.1e})"
