"""`vultus embed`: turn faces into vectors and save them."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.options import EmbedderOptions, PhotosArgument
from vultus.cli.output import (
    ReportOptions,
    print_json,
    progress_bar,
    say,
)


def embed(
    photos: PhotosArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The .npz file to write.", metavar="FILE")
    ],
    models: EmbedderOptions,
    report: ReportOptions,
) -> int:
    """Embed every face of the photos into one .npz: vectors, norms, quality, boxes, sources.

    `evaluate` and `calibrate` read the file.
    """
    from vultus.image.io import list_images
    from vultus.pipeline.face_files import embed_to_file

    paths = list_images(photos)
    with progress_bar() as progress:
        embeddings, skipped = embed_to_file(models.open(), paths, output, progress=progress)
    if report.json:
        print_json(
            {
                "file": str(output),
                "faces": len(embeddings),
                "photos": len(paths) - len(skipped),
                "space": embeddings.space.to_dict(),
                "skipped": skipped.photos,
            }
        )
    else:
        say(f"{len(embeddings)} faces of {len(paths)} photos in {output}")
        say(f"space: {embeddings.space}")
    return report.end(skipped.photos, done=len(paths) - len(skipped))
