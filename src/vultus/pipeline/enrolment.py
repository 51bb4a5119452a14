"""Enrolling a folder of people: one folder of photos per person, named after them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vultus.core.choices import Selection
from vultus.core.errors import InputError
from vultus.core.progress import Progress, tracked
from vultus.gallery.gallery import Gallery
from vultus.image.io import list_images
from vultus.pipeline.photos import ErrorHandler
from vultus.pipeline.recognizer import Recognizer


def enroll_folder(
    recognizer: Recognizer,
    gallery: Gallery,
    folder: str | Path,
    *,
    on_error: ErrorHandler | None = None,
    select: Selection = "only",
    progress: Progress | None = None,
) -> dict[str, int]:
    """Enrol every person of a folder of folders.

    Args:
        recognizer: Makes the embeddings.
        gallery: Where to.
        folder: Holds one folder per person, named after them.
        on_error: Told which photos are unfit; None raises what is wrong with the first.
        select: Which face of a photo is meant when it shows several.
        progress: Told how many people are done.

    Returns:
        How many photos were enrolled, by person.

    Raises:
        InputError: If there is no such folder, or it has no folder inside.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; it must hold one folder per person")
    people = sorted(path for path in folder.iterdir() if path.is_dir())
    if not people:
        raise InputError(f"{folder} must hold one folder of photos per person, it holds none")
    return {
        person.name: recognizer.enroll(
            gallery, person.name, list_images([person]), select=select, on_error=on_error
        )
        for person in tracked(people, "enrolling", total=len(people), progress=progress)
    }


@contextmanager
def folder_gallery(
    recognizer: Recognizer,
    folder: Path,
    *,
    on_error: ErrorHandler | None = None,
    select: Selection = "only",
    progress: Progress | None = None,
) -> Iterator[Gallery]:
    """A gallery of the people of a folder, which is gone when the ``with`` block ends.

    Args and raises: as `enroll_folder`.
    """
    with (
        tempfile.TemporaryDirectory() as place,
        recognizer.open_gallery(Path(place) / "gallery.db") as gallery,
    ):
        enroll_folder(
            recognizer, gallery, folder, on_error=on_error, select=select, progress=progress
        )
        yield gallery
