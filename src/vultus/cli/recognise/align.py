"""`vultus align`: cut faces out of photos, warped to a template."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.options import DetectorOption, PhotosArgument
from vultus.cli.output import (
    ReportOptions,
    print_json,
    progress_bar,
    say,
)
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_TEMPLATE, TEMPLATE_NAMES


def align(
    photos: PhotosArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the crops.", metavar="DIR")
    ],
    report: ReportOptions,
    template: Annotated[
        str, typer.Option(help=f"One of {', '.join(TEMPLATE_NAMES)}.", metavar="NAME")
    ] = DEFAULT_TEMPLATE,
    detector: DetectorOption = DEFAULT_DETECTOR,
) -> int:
    """Write every face as an aligned PNG, and crops.json with where each came from."""
    from vultus.image.io import list_images
    from vultus.pipeline.face_files import write_face_crops
    from vultus.pipeline.recognizer import Recognizer

    paths = list_images(photos)
    with progress_bar() as progress:
        summary = write_face_crops(
            Recognizer(detector=detector), paths, output, template=template, progress=progress
        )
    if report.json:
        print_json(summary)
    else:
        say(f"{len(summary['crops'])} faces from {len(paths)} photos in {output}")
    skipped = summary["skipped"]
    return report.end(skipped, done=len(paths) - len(skipped))
