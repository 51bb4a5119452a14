"""`vultus bulk embed`: every face of an archive of photos as Parquet."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.bulk.options import PhotoWorkerOptions
from vultus.cli.options import JudgingOptions
from vultus.cli.output import ReportOptions, note, one_line, print_json, progress_bar, say
from vultus.core.choices import DEFAULT_PART_PHOTOS


def embed(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, zips, WebDataset tars (also train-{000..031}.tar), lists of paths "
            "(.txt), photos, or patterns of them."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The folder to fill; the same one goes on.", metavar="DIR"
        ),
    ],
    models: JudgingOptions,
    workers: PhotoWorkerOptions,
    report: ReportOptions,
    part: Annotated[
        int,
        typer.Option(help="Photos of one task and file, which a killed process loses.", min=1),
    ] = DEFAULT_PART_PHOTOS,
) -> int:
    """Find, judge and embed every face of very many photos; killed, it goes on where it was.

    The folder gets a Parquet file for every 256 photos (`faces/`): boxes, landmarks, quality,
    reasons of the gate, embeddings, and why a photo gave no face.
    """
    from vultus.bulk.embedding import embed_photos

    with workers.open() as processes, progress_bar() as progress:
        done = embed_photos(
            sources,
            output,
            analyser=models.analyser(threads=1),
            workers=processes,
            part_photos=part,
            progress=progress,
        )
    failed = sum(done.problems.values())
    if report.json:
        print_json(done.to_dict())
    else:
        before = f", {done.done_before:,} of them done before" if done.done_before else ""
        say(f"{done.faces:,} faces of {done.photos:,} photos{before}, in {done.folder}")
        for problem, count in done.problems.items():
            say(f"  {count:,} {'photo' if count == 1 else 'photos'}: {problem}")
    for name in done.set_aside:
        note(one_line(f"set aside {name}: it kills whatever process works on it"))
    return report.code(failed, done=done.photos - failed)
