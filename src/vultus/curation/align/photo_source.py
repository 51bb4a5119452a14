"""Raw photos on their way through the detector, known by their place in the data set."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vultus.core.faces import Faces, Image
from vultus.core.progress import Progress
from vultus.data.formats.folder import FolderDataset
from vultus.image.io import read_image
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.photos import ErrorHandler, PhotoSource, StoredPhoto


@dataclass(frozen=True, slots=True, eq=False)
class AlignTools:
    """What an alignment works with.

    Attributes:
        analyser: Finds the faces; for the choice by person embeds them, too.
        min_similarity: For the choice by person: where a photo shows several faces and none is that
            much like the person's other photos, it gives no crop; None for no limit.
        progress: Told how many photos are done.
    """

    analyser: Analyser
    min_similarity: float | None = None
    progress: Progress | None = None


def detected_photos(
    photos: FolderDataset,
    indices: Iterable[int],
    analyser: Analyser,
    *,
    on_error: ErrorHandler,
) -> Iterator[tuple[int, Image, Faces]]:
    """Find the faces of photos, in batches; memory does not grow with the photos themselves.

    Args:
        photos: A folder or zip.
        indices: Which of them, consumed as needed.
        analyser: Finds the faces.
        on_error: Called with the name below the root of each photo that cannot be read, which is
            then left out.

    Yields:
        Index, photo and faces, in the order of the indices.
    """
    taken: list[int] = []

    def sources() -> Iterator[PhotoSource]:
        for index in indices:
            taken.append(index)
            yield StoredPhoto(photos.files.names[index], partial(_stored, photos, index))

    for photo in analyser.detect_many(sources(), on_error=on_error):
        yield taken[photo.place], photo.image, photo.faces


def read_photo(photos: FolderDataset, index: int) -> Image:
    """One photo, decoded.

    Raises:
        ImageError: If it cannot be read.
    """
    return read_image(_stored(photos, index))


def _stored(photos: FolderDataset, index: int) -> Path | bytes:
    path = photos.path(index)
    return photos.encoded(index) if path is None else path
