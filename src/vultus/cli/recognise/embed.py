"""`vultus embed`: turn faces into vectors and save them."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.options import DetectorOption, ModelOption, PhotosArgument, PrecisionOption
from vultus.cli.output import ExitCode, JsonOption, print_json, report_skipped, say, track
from vultus.core.embeddings import Embeddings
from vultus.embedding.embedding_file import FaceSource, save_embeddings
from vultus.image.io import list_images
from vultus.pipeline.analyser import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.pipeline.photos import Skipped
from vultus.pipeline.recognizer import open_recognizer


def embed(
    photos: PhotosArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The .npz file to write.", metavar="FILE")
    ],
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    precision: PrecisionOption = "f32",
    json: JsonOption = False,
) -> int:
    """Embed every face of the photos into one .npz: vectors, norms, quality, boxes, sources.

    `evaluate` and `calibrate` read the file.
    """
    paths = list_images(photos)
    recognizer = open_recognizer(detector=detector, model=model, precision=precision)
    skipped = Skipped()
    parts: list[Embeddings] = []
    sources: list[FaceSource] = []
    for photo in recognizer.analyse(track(paths, "embedding", total=len(paths)), on_error=skipped):
        parts.append(photo.embeddings)
        height, width = photo.image.shape[:2]
        sources.extend(
            FaceSource(photo.name, i, tuple(box), (height, width), score)
            for i, (box, score) in enumerate(
                zip(photo.faces.boxes.tolist(), photo.faces.scores.tolist(), strict=True)
            )
        )
    space = recognizer.embedder.space
    everything = Embeddings.concatenate(parts) if parts else Embeddings.empty(space)
    with_faces = {source.photo for source in sources}
    without = [str(path) for path in paths if str(path) not in with_faces]
    save_embeddings(output, everything, sources=sources, failed=without)
    if json:
        print_json(
            {
                "file": str(output),
                "faces": len(everything),
                "photos": len(paths) - len(skipped),
                "space": space.to_dict(),
                "skipped": skipped.photos,
            }
        )
    else:
        say(f"{len(everything)} faces of {len(paths)} photos in {output}")
        say(f"space: {space}")
    report_skipped(skipped.photos, quiet=json)
    return ExitCode.BAD_INPUT if skipped else ExitCode.OK
