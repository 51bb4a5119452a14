"""Bringing a gallery to another model: what a recogniser of that model does for it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError, IdentityNotFoundError, InputError, VultusError
from vultus.core.progress import Progress, tracked
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.migration import Migration
from vultus.gallery.moving.status import MigrationStatus
from vultus.pipeline.enrolment import people_of_folder
from vultus.pipeline.photos import ErrorHandler, tell
from vultus.pipeline.recognizer import OUTLIER_FMR, Recognizer


def migrate_gallery(
    recognizer: Recognizer, gallery: Gallery, *, progress: Progress | None = None
) -> MigrationStatus:
    """Begin to bring a gallery to a recogniser's model, or go on: embed the crops that it keeps.

    The gallery goes on with its model until `Migration.finish`.

    Args:
        recognizer: Of the next model.
        gallery: The gallery.
        progress: Told how many people are done.

    Returns:
        How far it has come, and who must be photographed again.

    Raises:
        InputError: If the gallery is of that model already, or being brought to another one.
    """
    embedder, least = recognizer.embedder, None
    with suppress(CalibrationError):
        least = recognizer.threshold(OUTLIER_FMR).similarity
    migration = Migration(gallery)
    migration.begin(embedder.space, template=embedder.card.template, outlier_similarity=least)
    migration.embed_crops(embedder.embed, progress=progress)
    status = migration.status()
    if status is None:
        raise InputError(f"the migration of {gallery.path} was ended meanwhile")
    return status


def photograph_again(
    recognizer: Recognizer,
    gallery: Gallery,
    folder: str | Path,
    *,
    select: Selection = DEFAULT_SELECT,
    on_error: ErrorHandler | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Enrol new photos of people of a gallery for the model to which it is being brought.

    Args:
        recognizer: Of that model.
        gallery: The gallery, of which `migrate_gallery` was begun.
        folder: Holds one folder per person, named after them; who is not enrolled is refused.
        select: Which face of a photo is meant that shows several.
        on_error: Told which photos are unfit and which people are refused; None raises at the
            first.
        progress: Told how many people are done.

    Returns:
        How many photos were added, by person.
    """
    people = people_of_folder(folder, on_error=on_error)
    told = tracked(people.items(), "enrolling", total=len(people), progress=progress)
    return {
        name: _again(recognizer, gallery, name, photos, select, on_error) for name, photos in told
    }


def _again(
    recognizer: Recognizer,
    gallery: Gallery,
    name: str,
    photos: Sequence[Path],
    select: Selection,
    on_error: ErrorHandler | None,
) -> int:
    found: list[Embeddings] = []
    crops: list[AlignedCrops] = []
    names: list[str] = []
    for photo in recognizer.analyse(photos, on_error=on_error):
        try:
            index = recognizer.chosen_index(photo, select, photo.name)
        except VultusError as error:
            tell(on_error, photo.name, error)
            continue
        found.append(photo.embeddings[index])
        crops.append(photo.crops[index])
        names.append(photo.name)
    if not found:
        return 0
    try:
        return (
            Migration(gallery)
            .enroll(
                name,
                Embeddings.concatenate(found),
                sources=names,
                crops=AlignedCrops.concatenate(crops),
            )
            .added
        )
    except (InputError, IdentityNotFoundError) as error:
        tell(on_error, name, error)
        return 0
