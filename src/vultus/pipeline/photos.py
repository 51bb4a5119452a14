"""Photos on their way through the pipeline: loaded in bounded chunks, then with what was found."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image as PilImage

from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError, VultusError
from vultus.core.faces import Faces, Image
from vultus.image.io import read_image
from vultus.quality.measures import FaceQuality

PhotoSource = str | Path | bytes | Image | PilImage.Image
"""Whatever `vultus.image.io.read_image` takes: a path, bytes, an RGB array or a PIL image."""

ErrorHandler = Callable[[str, VultusError], None]
"""Called with a photo's name and what is wrong with it; the photo is then left out."""

CHUNK_PHOTOS = 32
CHUNK_PIXELS = 24_000_000
_READERS = 2


@dataclass(frozen=True, slots=True, eq=False)
class DetectedPhoto:
    """One photo with its faces.

    Attributes:
        name: The path as given, or ``photo 1``, ``photo 2`` ... for photos without one.
        image: (h, w, 3) uint8, RGB.
        faces: What the detector found; may be empty.
    """

    name: str
    image: Image
    faces: Faces


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedPhoto:
    """One photo with its faces, aligned, measured and embedded; all fields have one row a face.

    Attributes:
        name: As in `DetectedPhoto`.
        image: (h, w, 3) uint8, RGB.
        faces: What the detector found; may be empty.
        crops: The aligned faces.
        quality: What was measured on each.
        refusals: Why the quality gate refuses each face; an empty tuple where it does not.
        embeddings: The faces as vectors, ``quality`` filled with the combined score.
    """

    name: str
    image: Image
    faces: Faces
    crops: AlignedCrops
    quality: FaceQuality
    refusals: tuple[tuple[str, ...], ...]
    embeddings: Embeddings


def load_chunks(
    photos: Iterable[PhotoSource], *, on_error: ErrorHandler | None = None
) -> Iterator[list[tuple[str, Image]]]:
    """Read photos, some ahead of the consumer, in chunks that bound memory.

    A chunk ends at `CHUNK_PHOTOS` photos or `CHUNK_PIXELS` pixels, whichever comes first, so that
    memory does not grow with the number of photos.

    Args:
        photos: Any number of sources; consumed lazily.
        on_error: What to do with an unreadable photo; None raises its `ImageError`.

    Yields:
        Lists of (name, image), never empty, in the order given.

    Raises:
        InputError: If ``photos`` is a single source rather than a collection of them.
        ImageError: If a photo cannot be read and ``on_error`` is None.
    """
    if isinstance(photos, (str, bytes, Path, PilImage.Image)) or hasattr(photos, "shape"):
        raise InputError(f"photos must be a list of photos, got one {type(photos).__name__}")
    chunk: list[tuple[str, Image]] = []
    pixels = 0
    for name, image in _read_ahead(photos, on_error):
        chunk.append((name, image))
        pixels += image.shape[0] * image.shape[1]
        if len(chunk) >= CHUNK_PHOTOS or pixels >= CHUNK_PIXELS:
            yield chunk
            chunk, pixels = [], 0
    if chunk:
        yield chunk


def photo_name(source: PhotoSource, number: int) -> str:
    """The path as given, or ``photo <number>`` for what has no path."""
    return str(source) if isinstance(source, (str, Path)) else f"photo {number}"


def _read_ahead(
    photos: Iterable[PhotoSource], on_error: ErrorHandler | None
) -> Iterator[tuple[str, Image]]:
    with ThreadPoolExecutor(_READERS) as pool:
        pending: list[tuple[str, Any]] = []
        for number, source in enumerate(photos, start=1):
            pending.append((photo_name(source, number), pool.submit(read_image, source)))
            if len(pending) > 2 * _READERS:
                yield from _finished(*pending.pop(0), on_error)
        for name, future in pending:
            yield from _finished(name, future, on_error)


def _finished(name: str, future: Any, on_error: ErrorHandler | None) -> Iterator[tuple[str, Image]]:
    try:
        image = future.result()
    except VultusError as error:
        tell(on_error, name, error)
        return
    yield name, image


def tell(on_error: ErrorHandler | None, name: str, error: VultusError) -> None:
    """Hand a photo's error to who asked for it, or raise it."""
    if on_error is None:
        raise error
    on_error(name, error)


class Skipped:
    """An `ErrorHandler` that collects the photos that could not be used, so that work goes on."""

    def __init__(self) -> None:
        self.photos: list[dict[str, str]] = []

    def __call__(self, name: str, error: VultusError) -> None:
        """Note one photo and why."""
        self.photos.append({"photo": name, "error": str(error)})

    def __len__(self) -> int:
        return len(self.photos)
