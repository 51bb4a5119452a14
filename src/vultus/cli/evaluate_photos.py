"""One embedding a photo, for protocols: a recogniser as `vultus.evaluation` wants it."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from vultus.alignment.align import align_faces
from vultus.cli.output import track
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError, NoFaceError, SeveralFacesError, VultusError
from vultus.evaluation.protocols.base import EmbeddedPhotos, EmbedPhotos, PhotoFile
from vultus.image.io import read_image
from vultus.pipeline.photos import photo_name
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.selection import Selection, select_face

__all__ = ["embed_with"]

logger = logging.getLogger(__name__)

CHUNK_CROPS = 64

Crop = tuple[int, AlignedCrops]
"""Place of a photo, and the one crop from it."""


def embed_with(recognizer: Recognizer, *, select: Selection) -> EmbedPhotos:
    """Make the callable that protocols embed photos with.

    Unreadable photos, photos without a face, and with ``select="only"`` photos with several, are
    failures. The quality gate is not applied.

    Args:
        recognizer: Detects, aligns and embeds.
        select: Which face of a photo is meant.
    """

    def embed(photos: Sequence[PhotoFile], *, aligned: bool) -> EmbeddedPhotos:
        found = _ready_crops(recognizer, photos) if aligned else _faces(recognizer, photos, select)
        failed = np.ones(len(photos), np.bool_)
        parts: list[Embeddings] = []
        for chunk in _chunks(found):
            failed[[place for place, _ in chunk]] = False
            crops = AlignedCrops.concatenate([crop for _, crop in chunk])
            parts.append(recognizer.embedder.embed(crops))
        space = recognizer.embedder.space
        return EmbeddedPhotos(
            Embeddings.concatenate(parts) if parts else Embeddings.empty(space), failed
        )

    return embed


def _faces(
    recognizer: Recognizer, photos: Sequence[PhotoFile], select: Selection
) -> Iterator[Crop]:
    places: dict[str, int] = {}

    def numbered() -> Iterator[PhotoFile]:
        for place, photo in enumerate(photos):
            places[photo_name(photo, place + 1)] = place
            yield photo

    template = recognizer.embedder.card.template
    progress = track(numbered(), "finding faces", total=len(photos))
    for photo in recognizer.detect_many(progress, on_error=_note):
        height, width = photo.image.shape[:2]
        try:
            chosen = select_face(photo.faces, (height, width), select=select, name=photo.name)
        except (NoFaceError, SeveralFacesError):
            continue
        yield places[photo.name], align_faces(photo.image, photo.faces[chosen], template=template)


def _note(name: str, error: VultusError) -> None:
    logger.warning("%s counts as a failure: %s", name, error)


def _ready_crops(recognizer: Recognizer, photos: Sequence[PhotoFile]) -> Iterator[Crop]:
    template = recognizer.embedder.card.template
    identity = np.eye(2, 3, dtype=np.float32)[None]
    for place, photo in enumerate(track(photos, "embedding", total=len(photos))):
        try:
            pixels = read_image(photo)[None]
        except VultusError as error:
            _note(photo_name(photo, place + 1), error)
            continue
        yield place, AlignedCrops(pixels, identity, template)


def _chunks(crops: Iterator[Crop]) -> Iterator[list[Crop]]:
    chunk: list[Crop] = []
    for crop in crops:
        if chunk and crop[1].size_hw != chunk[0][1].size_hw:
            raise InputError(
                f"aligned crops must all be of one size, got {chunk[0][1].size_hw} and "
                f"{crop[1].size_hw}; leave --aligned away for photos"
            )
        chunk.append(crop)
        if len(chunk) == CHUNK_CROPS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
