"""Photos on their way through the pipeline: loaded in bounded chunks, then with what was found."""

import hashlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from PIL import Image as PilImage

from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import (
    AlreadyEnrolledError,
    ImageError,
    InputError,
    LivenessError,
    NoFaceError,
    OutlierError,
    PersonExpiredError,
    QualityError,
    RepeatedPhotoError,
    SeveralFacesError,
    VultusError,
)
from vultus.core.faces import Faces, Image
from vultus.core.liveness_signal import LivenessSignal
from vultus.image.io import read_image
from vultus.quality.measures import FaceQuality

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A photo that is fetched when its turn comes: out of a zip, by its place in a data set.

    What goes wrong then is said of this photo, as of a file that cannot be read.

    Attributes:
        name: What results and messages call it.
        fetch: Gives its path, its bytes or its pixels.
        sha256: Digest of the file's bytes, in hexadecimal, if it is known.
    """

    name: str
    fetch: Callable[[], str | Path | bytes | Image]
    sha256: str | None = None


PhotoSource = str | Path | bytes | BinaryIO | Image | PilImage.Image | StoredPhoto
"""Whatever `vultus.image.io.read_image` takes (a path, bytes, a file, an RGB array or a PIL
image), or a photo that is fetched when its turn comes."""

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
        place: Of the photo among those that were given, from 0; those left out count.
    """

    name: str
    image: Image
    faces: Faces
    place: int


@dataclass(frozen=True, slots=True)
class Righting:
    """How a photo was read other than it is stored.

    Attributes:
        turned_deg: It lies turned clockwise by so many degrees: 0, 90, 180 or 270.
        width: It is so many times as wide as it should be, beside its height; below 1 it is taller.
    """

    turned_deg: int = 0
    width: float = 1.0

    @property
    def words(self) -> str:
        """In words; empty where it was read as stored."""
        if self.turned_deg:
            return f"the photo lies turned by {self.turned_deg} degrees and was read upright"
        if self.width > 1:
            return f"the photo is stretched about {self.width:.2g} x in width and was read narrower"
        if self.width < 1:
            return (
                f"the face is about {1 / self.width:.2g} x too tall for its width (a stretched "
                "photo, or a head turned aside) and was read wider"
            )
        return ""


AS_STORED = Righting()


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
        place: As in `DetectedPhoto`.
        righting: How it was read; faces and the crops' maps are in the stored photo's frame.
        liveness: What a passive look said of each face; empty where nobody looked.
    """

    name: str
    image: Image
    faces: Faces
    crops: AlignedCrops
    quality: FaceQuality
    refusals: tuple[tuple[str, ...], ...]
    embeddings: Embeddings
    place: int
    righting: Righting = AS_STORED
    liveness: tuple[LivenessSignal, ...] = ()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.image.shape[:2]
        return height, width


class LoadedPhoto(NamedTuple):
    """One photo, read.

    Attributes:
        place: As in `DetectedPhoto`.
        name: As in `DetectedPhoto`.
        image: (h, w, 3) uint8, RGB.
    """

    place: int
    name: str
    image: Image


def load_chunks(
    photos: Iterable[PhotoSource], *, on_error: ErrorHandler | None = None
) -> Iterator[list[LoadedPhoto]]:
    """Read photos, some ahead of the consumer, in chunks that bound memory.

    A chunk ends at `CHUNK_PHOTOS` photos or `CHUNK_PIXELS` pixels, whichever comes first, so that
    memory does not grow with the number of photos.

    Args:
        photos: Any number of sources; consumed lazily.
        on_error: What to do with an unreadable photo; None raises its `ImageError`.

    Yields:
        Lists, never empty, in the order given.

    Raises:
        InputError: If ``photos`` is a single source rather than a collection of them.
        ImageError: If a photo cannot be read and ``on_error`` is None.
    """
    if isinstance(photos, (str, bytes, Path, PilImage.Image, StoredPhoto)) or hasattr(
        photos, "shape"
    ):
        raise InputError(f"photos must be a list of photos, got one {type(photos).__name__}")
    chunk: list[LoadedPhoto] = []
    pixels = 0
    for photo in _read_ahead(photos, on_error):
        chunk.append(photo)
        pixels += photo.image.shape[0] * photo.image.shape[1]
        if len(chunk) >= CHUNK_PHOTOS or pixels >= CHUNK_PIXELS:
            yield chunk
            chunk, pixels = [], 0
    if chunk:
        yield chunk


def photo_name(source: PhotoSource, number: int) -> str:
    """The path as given, or ``photo <number>`` for what has neither path nor name."""
    if isinstance(source, StoredPhoto):
        return source.name
    return str(source) if isinstance(source, (str, Path)) else f"photo {number}"


def file_digest(path: str | Path) -> str | None:
    """SHA-256 of a file's bytes, in hexadecimal; None if it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError):
        return None


def digested(photos: Iterable[PhotoSource], digests: dict[str, str]) -> Iterable[PhotoSource]:
    """The same photos; the digest of each, if it is a file or has one, is noted by name."""
    if isinstance(photos, (str, bytes, Path, PilImage.Image, StoredPhoto)) or hasattr(
        photos, "shape"
    ):
        return photos  # which is refused where it is read
    return _digested(photos, digests)


def _digested(photos: Iterable[PhotoSource], digests: dict[str, str]) -> Iterator[PhotoSource]:
    for photo in photos:
        if isinstance(photo, StoredPhoto) and photo.sha256 is not None:
            digests[photo.name] = photo.sha256
        if isinstance(photo, (str, Path)) and (digest := file_digest(photo)) is not None:
            digests[str(photo)] = digest
        yield photo


def read_photo(source: PhotoSource) -> Image:
    """Fetch a photo, if it must be, and decode it.

    Raises:
        ImageError: If it cannot be read.
    """
    return read_image(source.fetch() if isinstance(source, StoredPhoto) else source)


def _read_ahead(
    photos: Iterable[PhotoSource], on_error: ErrorHandler | None
) -> Iterator[LoadedPhoto]:
    with ThreadPoolExecutor(_READERS) as pool:
        pending: deque[tuple[int, str, Future[Image]]] = deque()
        for place, source in enumerate(photos):
            name = photo_name(source, place + 1)
            pending.append((place, name, pool.submit(read_photo, source)))
            if len(pending) > 2 * _READERS:
                yield from _finished(*pending.popleft(), on_error)
        while pending:
            yield from _finished(*pending.popleft(), on_error)


def _finished(
    place: int, name: str, future: Future[Image], on_error: ErrorHandler | None
) -> Iterator[LoadedPhoto]:
    try:
        image = future.result()
    except VultusError as error:
        tell(on_error, name, error)
        return
    yield LoadedPhoto(place, name, image)


def tell(on_error: ErrorHandler | None, name: str, error: VultusError) -> None:
    """Hand a photo's error to who asked for it, or raise it."""
    if on_error is None:
        raise error
    on_error(name, error)


_REASONS: dict[type[VultusError], str] = {
    ImageError: "not readable",
    NoFaceError: "without a face",
    SeveralFacesError: "with several faces",
    OutlierError: "unlike the person's others",
    AlreadyEnrolledError: "of somebody who is enrolled",
    RepeatedPhotoError: "enrolled before",
    LivenessError: "suspected of being an attack",
    PersonExpiredError: "of somebody whose consent or time is over",
    QualityError: "too poor to judge",
}
"""Kinds of errors in a word or two; the first that fits."""


def reason_of(error: VultusError) -> str:
    """Why a photo cannot be used: in a word or two, without a name."""
    return next((text for kind, text in _REASONS.items() if isinstance(error, kind)), "not usable")


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know that stops nothing.

    Attributes:
        kind: What it is about, in a word or two: ``"gallery size"``.
        text: In words.
        details: The same for a program, fit for JSON.
        logged: In words without names of people or photos, for a log; None if ``text`` has none.
    """

    kind: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
    logged: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {"kind": self.kind, "text": self.text, **self.details}


def tell_note(on_error: ErrorHandler | None, note: Note) -> None:
    """Add a note to who collects them (`Skipped`), else log it as a warning."""
    if isinstance(on_error, Skipped):
        on_error.note(note)
    else:
        logger.warning("%s", note.text if note.logged is None else note.logged)


class Skipped:
    """An `ErrorHandler` that collects the photos that could not be used, so that work goes on.

    Args:
        on_note: Told every note at once, too.

    Attributes:
        photos: ``photo``, ``error`` (in full) and ``reason`` (in a word or two) of each.
        notes: What else there is to know; who has no `Skipped` finds it in the log.
    """

    def __init__(self, *, on_note: Callable[[Note], None] | None = None) -> None:
        self.photos: list[dict[str, str]] = []
        self.notes: list[Note] = []
        self._on_note = on_note

    def __call__(self, name: str, error: VultusError) -> None:
        """Note one photo and why."""
        self.photos.append({"photo": name, "error": str(error), "reason": reason_of(error)})

    def by_reason(self) -> dict[str, int]:
        """How many photos were left out for which reason, the most frequent first."""
        return dict(Counter(photo["reason"] for photo in self.photos).most_common())

    def note(self, note: Note) -> None:
        """Keep what stops nothing."""
        self.notes.append(note)
        if self._on_note is not None:
            self._on_note(note)

    def __len__(self) -> int:
        return len(self.photos)
