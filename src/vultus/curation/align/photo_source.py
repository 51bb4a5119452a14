"""Raw photos on their way through the detector, known by their place in the data set."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vultus.core.errors import ImageError, VultusError
from vultus.core.faces import Faces, Image
from vultus.core.progress import Progress
from vultus.data.formats.folder import FolderDataset
from vultus.image.io import read_image
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.photos import PhotoSource

_Failed = Callable[[int, VultusError], None]


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
    photos: FolderDataset, indices: Iterable[int], analyser: Analyser, *, failed: _Failed
) -> Iterator[tuple[int, Image, Faces]]:
    """Find the faces of photos, in batches; memory does not grow with their number.

    Args:
        photos: A folder or zip.
        indices: Which of them, consumed as needed.
        analyser: Finds the faces.
        failed: Called for each photo that cannot be read, which is then left out.

    Yields:
        Index, photo and faces, in the order of the indices.
    """
    places: dict[str, int] = {}

    def sources() -> Iterator[PhotoSource]:
        number = 0
        for index in indices:
            path = photos.path(index)
            if path is not None:
                places[str(path)] = index
                yield path
                continue
            try:
                data = photos.encoded(index)
            except ImageError as error:
                failed(index, error)
                continue
            number += 1
            places[f"photo {number}"] = index  # what the analyser calls what has no path
            yield data

    def on_error(name: str, error: VultusError) -> None:
        failed(places.pop(name), error)

    for photo in analyser.detect_many(sources(), on_error=on_error):
        yield places.pop(photo.name), photo.image, photo.faces


def read_photo(photos: FolderDataset, index: int) -> Image:
    """One photo, decoded.

    Raises:
        ImageError: If it cannot be read.
    """
    path = photos.path(index)
    return read_image(photos.encoded(index) if path is None else path)
