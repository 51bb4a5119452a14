"""The faces of many photos as files: aligned crops, and embeddings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vultus.alignment.align import align_faces
from vultus.alignment.crop_templates import crop_template
from vultus.core.choices import DEFAULT_TEMPLATE
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.files import check_folder, check_target, make_private_folder, write_text
from vultus.core.progress import Progress, tracked
from vultus.core.text import json_text
from vultus.embedding.embedding_file import FaceSource, save_embeddings
from vultus.image.io import write_image
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.photos import DetectedPhoto, Skipped

INDEX = "crops.json"
"""Beside the crops: where each came from."""


def write_face_crops(
    analyser: Analyser,
    photos: Sequence[Path],
    folder: Path,
    *,
    template: str = DEFAULT_TEMPLATE,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write every face as an aligned PNG, and `INDEX` with where each came from.

    Args:
        analyser: Finds the faces; its embedder is not used.
        photos: Paths of the photos.
        folder: Where to; made when needed.
        template: What the faces are aligned to.
        progress: Told how many photos are done.

    Returns:
        What `INDEX` holds: ``template``, ``crops`` (one a face: file, photo, box, landmarks,
        transform) and ``skipped`` (photos that cannot be read, and why).

    Raises:
        InputError: If there is no such template, or the folder cannot be one.
    """
    crop_template(template)  # a wrong name is refused before any work
    check_folder(folder)
    make_private_folder(folder)
    skipped = Skipped()
    records: list[dict[str, Any]] = []
    told = tracked(photos, "aligning", total=len(photos), progress=progress)
    for number, photo in enumerate(analyser.detect_many(told, on_error=skipped)):
        crops = align_faces(photo.image, photo.faces, template=template)
        records += _write_crops(photo, crops, folder, number)
    summary = {"template": template, "crops": records, "skipped": skipped.photos}
    write_text(folder / INDEX, json_text(summary, indent=2), private=True)
    return summary


def embed_to_file(
    analyser: Analyser, photos: Sequence[Path], path: Path, *, progress: Progress | None = None
) -> tuple[Embeddings, Skipped]:
    """Embed every face of the photos into one ``.npz``: vectors, norms, quality, boxes, sources.

    Protocols and calibrations read the file. The quality gate is not applied.

    Args:
        analyser: Finds and embeds the faces.
        photos: Paths of the photos.
        path: The file to write.
        progress: Told how many photos are done.

    Returns:
        What was written, and the photos that cannot be read.

    Raises:
        InputError: If the file cannot be written; said before any work.
    """
    check_target(path)
    skipped = Skipped()
    space = analyser.embedder.space
    parts: list[Embeddings] = []
    sources: list[FaceSource] = []
    told = tracked(photos, "embedding", total=len(photos), progress=progress)
    for photo in analyser.analyse(told, on_error=skipped):
        parts.append(photo.embeddings)
        boxes, scores = photo.faces.boxes.tolist(), photo.faces.scores.tolist()
        height, width = photo.image.shape[:2]
        sources.extend(
            FaceSource(photo.name, i, tuple(box), (height, width), score)
            for i, (box, score) in enumerate(zip(boxes, scores, strict=True))
        )
    everything = Embeddings.concatenate(parts) if parts else Embeddings.empty(space)
    with_faces = {source.photo for source in sources}
    without = [str(photo) for photo in photos if str(photo) not in with_faces]
    save_embeddings(path, everything, sources=sources, failed=without)
    return everything, skipped


def _write_crops(
    photo: DetectedPhoto, crops: AlignedCrops, folder: Path, number: int
) -> list[dict[str, Any]]:
    records = []
    faces = photo.faces.to_dicts()
    for index, (pixels, transform) in enumerate(zip(crops.pixels, crops.transforms, strict=True)):
        # The number keeps photos of one name in different folders apart.
        name = f"{number:06d}-{Path(photo.name).stem}-{index}.png"
        write_image(folder / name, pixels, private=True)
        records.append(
            {
                "crop": name,
                "photo": photo.name,
                "face": index,
                **faces[index],
                "transform": [[float(v) for v in row] for row in transform],
            }
        )
    return records
