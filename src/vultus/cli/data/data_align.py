"""`vultus data align`: raw photos made into aligned crops to train on."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from vultus.alignment.crop_templates import TEMPLATES
from vultus.cli.data.data_source import DepthOption, kind_of_target, watching
from vultus.cli.options import DetectorOption, ModelOption, ModelOptions
from vultus.cli.output import ExitCode, JsonOption, note, print_json, say
from vultus.core.choices import CROP_ENDINGS, CROP_SELECTS, DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.core.errors import CalibrationError
from vultus.curation.align.align_photos import Alignment, align_photos
from vultus.curation.align.alignment_file import AlignmentSettings
from vultus.curation.align.photo_source import AlignTools
from vultus.curation.audit.audit_thresholds import SAME_FMR
from vultus.data.formats.folder import FolderDataset
from vultus.data.formats.writers import WRITERS
from vultus.pipeline.recognizer import Recognizer

_SHOWN = 10


def align(
    photos: Annotated[
        Path,
        typer.Argument(
            help="Folder or zip with a folder of photos per person; loose photos have no identity.",
            metavar="PHOTOS",
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(help="A folder, or a file for zip; new, or begun before.", metavar="OUTPUT"),
    ],
    to: Annotated[
        str, typer.Option("--to", help=f"auto, {', '.join(WRITERS)}; auto: .zip says it.")
    ] = "auto",
    select: Annotated[
        str,
        typer.Option(
            "--select",
            help=f"Which face: {', '.join(CROP_SELECTS)} (nearest to the person's centre).",
        ),
    ] = "largest",
    template: Annotated[
        str, typer.Option("--template", help=f"One of {', '.join(sorted(TEMPLATES))}.")
    ] = "arcface-112",
    detector: DetectorOption = DEFAULT_DETECTOR,
    model: ModelOption = DEFAULT_EMBEDDER,
    ending: Annotated[
        str,
        typer.Option("--format", help=f"Of the crops: {', '.join(e[1:] for e in CROP_ENDINGS)}."),
    ] = "png",
    quality: Annotated[int, typer.Option("--quality", help="1 to 100, for webp and jpg.")] = 95,
    depth: DepthOption = None,
    retry: Annotated[
        bool, typer.Option("--retry-failed", help="Try photos again that failed before.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Make aligned crops from raw photos; run again after a stop, it goes on where it was."""
    kind = kind_of_target(output) if to == "auto" else to
    recognizer = ModelOptions(model=model, detector=detector).open()
    settings = AlignmentSettings(
        template=template,
        detector=detector,
        select=select,
        model=model if select == "person" else "",
        ending=f".{ending}",
        quality=quality,
        depth=depth if depth is not None else 0,
    )
    result = align_photos(
        FolderDataset(photos, depth=depth),
        output,
        AlignTools(
            recognizer,
            min_similarity=_least_similarity(recognizer) if select == "person" else None,
            watch=watching("aligning"),
        ),
        settings,
        kind=kind,
        retry=retry,
    )
    _report(result, output, json=json)
    return ExitCode.BAD_INPUT if result.failures else ExitCode.OK


def _least_similarity(recognizer: Recognizer) -> float | None:
    with suppress(CalibrationError):
        return recognizer.threshold(SAME_FMR).similarity
    return None


def _report(result: Alignment, output: Path, *, json: bool) -> None:
    if json:
        print_json(
            {
                "output": str(output),
                "crops": result.crops,
                "done_before": result.done_before,
                "residual_px": result.residual_px,
                "failures": result.failures,
                "report": str(result.report),
            }
        )
        return
    say(f"{output}: {result.crops} crops; {result.done_before} photos were done before")
    if result.residual_px is not None:
        median, high = result.residual_px
        say(f"landmarks off the template by: median {median:.2f} px, 95 % below {high:.2f} px")
    say(f"without a crop: {len(result.failures)} photos; reasons in {result.report}")
    for photo, reason in list(result.failures.items())[:_SHOWN]:
        note(f"no crop of {photo}: {reason}")
