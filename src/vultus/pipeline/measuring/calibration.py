"""A site's calibration: labelled faces from photos or a file, and where the result is kept."""

import hashlib
import logging
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np

from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import ImageError, InputError
from vultus.core.files import check_folder, check_target, write_text
from vultus.core.progress import Progress
from vultus.embedding.embedding_file import load_embeddings
from vultus.evaluation.calibration.run import CalibrationPlan, LabelledFaces, check_people
from vultus.evaluation.protocols.photos import PhotoRoot
from vultus.matching.calibration import Calibration
from vultus.models.digest import sha256_file
from vultus.models.names import is_committee_name, is_model_name
from vultus.models.store import ModelStore
from vultus.pipeline.measuring.photos import embed_with
from vultus.pipeline.recognizer import Recognizer

logger = logging.getLogger(__name__)


def photographed_faces(
    root: Path,
    recognizer: Recognizer,
    *,
    aligned: bool = False,
    select: Selection = DEFAULT_SELECT,
    plan: CalibrationPlan | None = None,
    progress: Progress | None = None,
) -> LabelledFaces:
    """Embed a folder (or zip) of photos, a folder per person.

    Args:
        root: The folder; two folders of one name in different places are two people.
        recognizer: Detects, aligns and embeds.
        aligned: The photos are aligned crops already; nothing is detected.
        select: Which face of a photo is meant.
        plan: What will be measured: refused before any photo is read where all of them together
            are of too few people.
        progress: Told how many photos are done.

    Raises:
        InputError: If there is no photo, or no face on any.
        CalibrationError: If the people cannot carry the plan.
    """
    photos = PhotoRoot(root)
    people = np.array([_person(name) for name in photos.names])
    if plan is not None:
        check_people(plan, list(Counter(people.tolist()).values()))
    embedded = embed_with(recognizer, select=select, progress=progress)(
        photos.photos(photos.names), aligned=aligned
    )
    if embedded.failed.all():
        raise InputError(f"no face was found on any of the {len(photos.names):,} photos of {root}")
    return LabelledFaces(
        embedded.embeddings,
        people[~embedded.failed],
        root.resolve().name,
        _digest(photos),
        None if aligned else recognizer.detector_name,
        int(embedded.failed.sum()),
    )


def embedded_faces(path: Path) -> LabelledFaces:
    """Read a file of embeddings whose photos lay in a folder per person.

    A photo with several faces does not say which of them is the person; it counts as a failure.

    Raises:
        InputError: If it is no such file, or every photo shows several faces.
    """
    embeddings, sources = load_embeddings(path)
    faces = Counter(source.photo for source in sources)
    kept = [row for row, source in enumerate(sources) if faces[source.photo] == 1]
    if not kept:
        raise InputError(f"{path} must hold photos with one face each, it holds none")
    people = np.array([_person(sources[row].photo) for row in kept])
    return LabelledFaces(
        embeddings[kept], people, path.name, sha256_file(path), None, len(faces) - len(kept)
    )


def calibration_file(space: EmbeddingSpace) -> Path:
    """Where the model store keeps the calibration of a model, so that every recogniser finds it.

    Raises:
        InputError: If the embeddings are of no model that can be in the store.
    """
    if not is_model_name(space.model) and not is_committee_name(space.model):
        raise InputError(
            f"the embeddings name no model of the store but {space.model!r}: give --output"
        )
    return ModelStore().calibration_path(space.model)


def check_calibration_file(path: Path) -> None:
    """Refuse a path that `save_calibration` could not write.

    Raises:
        OutputError: If something is there that is not to be replaced, or no folder can be made.
    """
    if path.parent.is_dir():
        check_target(path)
    else:
        check_folder(path.parent)


def save_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration that `Recognizer.use_calibration` reads; makes the folder when needed.

    Raises:
        InputError: If it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the calibration cannot be written to {path}: {error}") from error
    write_text(path, calibration.to_json(), private=True)


def _person(photo: str) -> str:
    return str(PurePosixPath(photo.replace("\\", "/")).parent)


def _digest(photos: PhotoRoot) -> str:
    """Of every photo's name and bytes, in the order of names."""
    whole = hashlib.sha256()
    for name in photos.names:
        whole.update(f"{_photo_digest(photos, name)}  {name}\n".encode())
    return whole.hexdigest()


def _photo_digest(photos: PhotoRoot, name: str) -> str:
    """Of nothing where a photo cannot be read: it counts as a failure already."""
    try:
        photo = photos.read(name)
        if isinstance(photo, bytes):
            return hashlib.sha256(photo).hexdigest()
        if photo.is_file():  # a pipe would wait for ever
            return sha256_file(photo)
    except (OSError, ImageError) as error:
        logger.debug("a photo has no digest: %s", type(error).__name__)
    return hashlib.sha256().hexdigest()
