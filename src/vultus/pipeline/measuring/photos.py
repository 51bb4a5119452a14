"""One embedding a photo, for protocols: a recogniser as `vultus.evaluation` wants it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from vultus.alignment.align import align_faces
from vultus.alignment.crop_templates import MarginTemplate, crop_template
from vultus.core.choices import Selection
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError, NoFaceError, QualityError, SeveralFacesError, VultusError
from vultus.core.faces import Faces
from vultus.core.notices import give_notice
from vultus.core.progress import Progress, tracked
from vultus.evaluation.protocols.base import EmbeddedPhotos, EmbedPhotos
from vultus.evaluation.protocols.photos import Photos
from vultus.image.io import read_image
from vultus.pipeline.photos import DetectedPhoto, StoredPhoto, reason_of
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.selection import choose_face, usual_refusals

logger = logging.getLogger(__name__)

CHUNK_CROPS = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    """The one crop from a photo.

    Attributes:
        place: Of the photo.
        crop: One.
        score: Of the detector; NaN where nothing was detected.
    """

    place: int
    crop: AlignedCrops
    score: float = np.nan


def embed_with(
    recognizer: Recognizer, *, select: Selection, progress: Progress | None = None
) -> EmbedPhotos:
    """Make the callable that protocols embed photos with.

    Unreadable photos, photos without a face, and with ``select="only"`` photos with several, are
    failures; a face that the usual quality gate refuses is none beside others. Where the data set
    gives landmarks, they align the photo and nothing is detected; where it gives a box, the face
    there is meant. No face is refused for its quality.

    Args:
        recognizer: Detects, aligns and embeds.
        select: Which face of a photo is meant where the data set does not say.
        progress: Told how many photos are done.
    """

    def embed(photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
        detect = not aligned and photos.landmarks is None
        if photos.landmarks is not None and not aligned:
            _check_takes_landmarks(recognizer)
        if detect:
            found = _faces(recognizer, photos, select, progress)
        else:
            landmarks = photos.landmarks if not aligned else None
            found = _ready(recognizer, photos, landmarks, progress)
        failed = np.ones(len(photos), np.bool_)
        parts: list[Embeddings] = []
        scores: list[float] = []
        for chunk in _chunks(found):
            failed[[crop.place for crop in chunk]] = False
            scores += [crop.score for crop in chunk]
            crops = AlignedCrops.concatenate([crop.crop for crop in chunk])
            parts.append(recognizer.embedder.embed(crops))
        space = recognizer.embedder.space
        return EmbeddedPhotos(
            Embeddings.concatenate(parts) if parts else Embeddings.empty(space),
            failed,
            np.array(scores, np.float32) if detect else None,
        )

    return embed


def _faces(
    recognizer: Recognizer, photos: Photos, select: Selection, progress: Progress | None
) -> Iterator[_Crop]:
    stored = (
        StoredPhoto(name, partial(photos.__getitem__, place))
        for place, name in enumerate(photos.names)
    )
    template = recognizer.embedder.card.template
    told = tracked(stored, "finding faces", total=len(photos), progress=progress)
    for photo in recognizer.detect_many(told, on_error=_note):
        box = None if photos.boxes is None else photos.boxes[photo.place]
        chosen = _chosen(photo, select, box)
        if chosen is not None:
            crop = align_faces(photo.image, photo.faces[chosen], template=template)
            yield _Crop(photo.place, crop, float(photo.faces.scores[chosen]))


def _chosen(
    photo: DetectedPhoto, select: Selection, box: npt.NDArray[np.float32] | None
) -> int | None:
    height, width = photo.image.shape[:2]
    poor = usual_refusals(photo.image, photo.faces, select)
    try:
        return choose_face(
            photo.faces, (height, width), select=select, box=box, name=photo.name, refusals=poor
        )
    except (NoFaceError, SeveralFacesError, QualityError) as error:
        logger.info("a photo counts as a failure: %s", reason_of(error))
        return None


def _note(name: str, error: VultusError) -> None:
    logged = f"a photo counts as a failure: {reason_of(error)}"
    give_notice(logger, f"{name} counts as a failure: {error}", logged=logged)


def _ready(
    recognizer: Recognizer,
    photos: Photos,
    landmarks: npt.NDArray[np.float32] | None,
    progress: Progress | None,
) -> Iterator[_Crop]:
    """Photos that are crops, or whose landmarks are known."""
    template = recognizer.embedder.card.template
    identity = np.eye(2, 3, dtype=np.float32)[None]
    places = tracked(range(len(photos)), "embedding", total=len(photos), progress=progress)
    for place in places:
        try:
            image = read_image(photos[place])
            if landmarks is None:
                crop = AlignedCrops(image[None], identity, template)
            else:
                crop = align_faces(image, _face_at(landmarks[place]), template=template)
        except VultusError as error:
            _note(photos.names[place], error)
            continue
        yield _Crop(place, crop)


def _check_takes_landmarks(recognizer: Recognizer) -> None:
    card = recognizer.embedder.card
    if isinstance(crop_template(card.template), MarginTemplate):
        raise InputError(
            f"model {card.name!r} crops by the face's box ({card.template}), and this data set "
            "gives landmarks; leave its landmarks away, so that faces are detected"
        )


def _face_at(landmarks: npt.NDArray[np.float32]) -> Faces:
    box = np.concatenate([landmarks.min(axis=0), landmarks.max(axis=0)])
    return Faces(box[None], landmarks[None], np.ones(1, np.float32))


def _chunks(crops: Iterator[_Crop]) -> Iterator[list[_Crop]]:
    chunk: list[_Crop] = []
    for crop in crops:
        if chunk and crop.crop.size_hw != chunk[0].crop.size_hw:
            raise InputError(
                f"aligned crops must all be of one size, got {chunk[0].crop.size_hw} and "
                f"{crop.crop.size_hw}; leave --aligned away for photos"
            )
        chunk.append(crop)
        if len(chunk) == CHUNK_CROPS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
