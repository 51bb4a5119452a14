"""`vultus bulk enroll`: very many people into a gallery."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.bulk.options import PhotoWorkerOptions
from vultus.cli.gallery.bulk import ImportReportOptions, check_source, report_import
from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.options import CacheOption, RecognizerOptions, SelectOption
from vultus.cli.output import progress_bar
from vultus.core.choices import DEFAULT_SELECT
from vultus.core.errors import InputError


def enroll(
    file: FileArgument,
    source: Annotated[
        Path,
        typer.Argument(help="A folder or CSV file of people, as of `vultus gallery import`."),
    ],
    models: RecognizerOptions,
    opener: KeyOptions,
    workers: PhotoWorkerOptions,
    report: ImportReportOptions,
    select: SelectOption = DEFAULT_SELECT,
    cache: CacheOption = None,
) -> int:
    """Enrol many people as `gallery import` does; their photos are looked at by many processes."""
    from vultus.bulk.enrolling import enroll_people
    from vultus.pipeline.face_cache import FaceCache

    if cache == "none":
        raise InputError("--cache must be a folder: what the processes saw waits there")
    report.check()
    check_source(source)
    recognizer = models.open()
    with (
        workers.open() as processes,
        opener.open_or_make(file, recognizer) as gallery,
        progress_bar() as progress,
    ):
        done = enroll_people(
            recognizer, gallery, source, workers=processes, cache=FaceCache(cache), select=select,
            progress=progress,
        )  # fmt: skip
        space = gallery.space
    return report_import(done, report, gallery=file, model=str(space))
