"""Alignment where the face that is meant is the one that a person's photos have in common."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from vultus.alignment.align import align_faces
from vultus.core.errors import CalibrationError, VultusError
from vultus.core.faces import Faces, Image
from vultus.curation.align.alignment_file import Row
from vultus.curation.align.crop_writer import CropWriter, failure_row
from vultus.curation.align.photo_source import AlignTools, detected_photos, read_photo
from vultus.curation.audit.audit_thresholds import SAME_FMR
from vultus.curation.audit.identity_groups import normalised_mean
from vultus.data.base import UNLABELLED
from vultus.data.formats.folder import FolderDataset
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.selection import Refusals, select_face, usual_refusals

_ROUNDS = 3
"""How often at most the faces nearest to a person's centre are chosen anew."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A photo's faces without its pixels: some hundred bytes a face."""

    index: int
    faces: Faces
    vectors: Floats


def least_similarity(recognizer: Recognizer) -> float | None:
    """The similarity of one person's photos at a false match rate of `SAME_FMR`; None: unknown."""
    with suppress(CalibrationError):
        return recognizer.threshold(SAME_FMR).similarity
    return None


def align_by_person(
    photos: FolderDataset, indices: Iterable[int], tools: AlignTools, writer: CropWriter
) -> Iterator[Row]:
    """Rows of photos, a person's all at once.

    Faces are embedded, one is chosen in each photo, and the photos are read a second time for the
    crops: so memory grows with the faces of one person, not with pixels. A photo without identity
    must show one face.

    Args:
        photos: A folder or zip.
        indices: Which of them, the photos of a person one after another.
        tools: The analyser finds and embeds the faces.
        writer: Of the crops.

    Yields:
        Lines of the report.
    """
    failures: list[Row] = []

    def failed(name: str, error: VultusError) -> None:
        failures.append(failure_row(name, str(error)))

    found = detected_photos(photos, indices, tools.analyser, on_error=failed)
    for label, group in groupby(found, key=lambda photo: int(photos.labels[photo[0]])):
        people = []
        for index, image, faces in group:
            embedded = _embedded(index, image, faces, tools.analyser)
            if isinstance(embedded, str):
                yield failure_row(photos.files.names[index], embedded)
            elif label == UNLABELLED:
                yield _lone(photos, embedded, usual_refusals(image, faces, "only"), writer)
            else:
                people.append(embedded)
        yield from failures
        failures.clear()
        if people:
            yield from _of_person(photos, people, writer, tools.min_similarity)
    yield from failures


def _embedded(index: int, image: Image, faces: Faces, analyser: Analyser) -> "_Found | str":
    """The faces as vectors, or why there are none."""
    if not len(faces):
        return "no face found in the photo"
    try:
        crops = align_faces(image, faces, template=analyser.embedder.card.template)
    except VultusError as error:
        return str(error)
    return _Found(index, faces, analyser.embedder.embed(crops).vectors)


def _lone(photos: FolderDataset, found: _Found, refusals: Refusals, writer: CropWriter) -> Row:
    try:
        face = select_face(
            found.faces,
            (np.inf, np.inf),
            name="the photo (which belongs to no person)",
            refusals=refusals,
        )
    except VultusError as error:
        return failure_row(photos.files.names[found.index], str(error))
    return _written(photos, found, face, None, writer)


def _of_person(
    photos: FolderDataset,
    found: list[_Found],
    writer: CropWriter,
    min_similarity: float | None,
) -> Iterator[Row]:
    choice = choose_person([photo.vectors for photo in found])
    for photo, face, similarity in zip(
        found, choice.faces, choice.similarities.tolist(), strict=True
    ):
        known = None if np.isnan(similarity) else similarity
        refused = known is not None and min_similarity is not None and known < min_similarity
        if refused and len(photo.faces) > 1:
            yield failure_row(
                photos.files.names[photo.index],
                f"none of the {len(photo.faces)} faces is like the person's other photos (cosine "
                f"{known:.3f}, needs {min_similarity:.3f})",
            )
            continue
        yield _written(photos, photo, face, known, writer)


def _written(
    photos: FolderDataset, found: _Found, face: int, similarity: float | None, writer: CropWriter
) -> Row:
    name = photos.files.names[found.index]
    try:
        image = read_photo(photos, found.index)
        return writer.write(name, image, found.faces, face, similarity)
    except VultusError as error:
        return failure_row(name, str(error))


@dataclass(frozen=True, slots=True, eq=False)
class PersonChoice:
    """The chosen faces.

    Attributes:
        faces: One index a photo.
        similarities: (n,) float32, cosine of each to the centre of the others; NaN for the only
            photo.
    """

    faces: tuple[int, ...]
    similarities: Floats


def choose_person(photos: Sequence[Floats]) -> PersonChoice:
    """Choose in each photo the face that all photos have in common.

    Photos with one face make the centre; without any the face does that has, on average over the
    other photos, the most similar face in them. Then the nearest face of each photo is chosen and
    the centre made from the chosen ones, until nothing changes. With a single photo of several
    faces nothing tells them apart, and the first is taken.

    Args:
        photos: Unit vectors of the faces of each photo, (f, d) float32, f at least 1.
    """
    alone = [photo[0] for photo in photos if len(photo) == 1]
    centre = normalised_mean(np.stack(alone)) if alone else _common_face(photos)
    chosen: list[int] = []
    for _ in range(_ROUNDS):
        nearest = [int(np.argmax(photo @ centre)) for photo in photos]
        if nearest == chosen:
            break
        chosen = nearest
        centre = normalised_mean(_picked(photos, chosen))
    rows = _picked(photos, chosen)
    others = rows.sum(axis=0) - rows
    lengths = np.linalg.norm(others, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        similarities = np.where(lengths > 1e-6, (rows * others).sum(axis=1) / lengths, np.nan)
    return PersonChoice(tuple(chosen), np.asarray(similarities, np.float32))


def _common_face(photos: Sequence[Floats]) -> Floats:
    best, best_score = photos[0][0], -np.inf
    for place, photo in enumerate(photos):
        nearest = [(photo @ other.T).max(axis=1) for at, other in enumerate(photos) if at != place]
        scores = np.mean(nearest, axis=0) if nearest else np.zeros(len(photo))
        if scores.max() > best_score:
            best, best_score = photo[int(scores.argmax())], float(scores.max())
    return np.asarray(best, np.float32)


def _picked(photos: Sequence[Floats], chosen: Sequence[int]) -> Floats:
    return np.stack([photo[face] for photo, face in zip(photos, chosen, strict=True)])
