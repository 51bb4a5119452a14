"""Every photo of one person in an album, as a list, as copies, as a page."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vultus import __version__
from vultus.core.embeddings import Embeddings, EmbeddingSpace, check_same_space
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.core.files import check_folder, make_private_folder, private_opener
from vultus.core.progress import Progress
from vultus.core.thresholds import Threshold
from vultus.image.io import read_image
from vultus.matching.operating_point import fpir_of_fmr
from vultus.pages.blocks import Picture, Section, write_blocks
from vultus.pages.page import PRIVATE
from vultus.pipeline.photos import ErrorHandler
from vultus.pipeline.recognizer import Recognizer

_CROP_HEIGHT_PX = 160
_MARGIN = 0.3
"""Of a face's box, on each side of it."""


@dataclass(frozen=True, slots=True)
class FoundPhoto:
    """A photo that shows the person.

    Attributes:
        photo: Its path.
        face: Which of its faces it is, in the order of the detector.
        box_xyxy: Where that is, in pixels.
        similarity: Cosine similarity to the face that was looked for, in [-1, 1].
    """

    photo: str
    face: int
    box_xyxy: tuple[float, float, float, float]
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "photo": self.photo,
            "face": self.face,
            "box_xyxy": [round(value, 2) for value in self.box_xyxy],
            "similarity": self.similarity,
        }


@dataclass(frozen=True, slots=True)
class FoundPhotos:
    """The photos of one person in an album.

    Attributes:
        photos: Best first; ties in the order of the album.
        threshold: What was applied.
        n_photos: How many photos were looked at.
        n_faces: How many faces were compared.
        n_refused: How many faces are too poor to be compared.
        space: Of the embeddings.
    """

    photos: tuple[FoundPhoto, ...]
    threshold: Threshold
    n_photos: int
    n_faces: int
    n_refused: int
    space: EmbeddingSpace

    @property
    def fpir(self) -> float | None:
        """The chance that somebody who is on no photo is found on one; None if unknown.

        As `vultus.matching.operating_point.fpir_of_fmr` works it out: an approximation.
        """
        if self.threshold.fmr is None or not self.n_faces:
            return None
        return fpir_of_fmr(self.threshold.fmr, gallery_size=self.n_faces)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "photos": [photo.to_dict() for photo in self.photos],
            "threshold": self.threshold.to_dict(),
            "fpir": self.fpir,
            "looked_at": {
                "photos": self.n_photos,
                "faces": self.n_faces,
                "refused_faces": self.n_refused,
            },
        }


def find_person(
    recognizer: Recognizer,
    person: Embeddings,
    album: Sequence[Path],
    *,
    threshold: Threshold,
    on_error: ErrorHandler | None = None,
    progress: Progress | None = None,
) -> FoundPhotos:
    """Find every photo of one person in an album.

    With ``recognizer.cache`` (`vultus.pipeline.face_cache.FaceCache`) a photo is analysed once.

    Args:
        recognizer: Finds, judges and embeds the faces.
        person: One embedding: `Recognizer.embed_face` of a photo.
        album: Paths of the photos.
        threshold: Of one comparison, e.g. ``recognizer.threshold(fmr)``.
        on_error: Told which photos are unreadable; None raises at the first.
        progress: Told how many photos are done.

    Raises:
        InputError: If ``person`` is not one embedding.
        SpaceMismatchError: If it is of another model.
    """
    if len(person) != 1:
        raise InputError(f"person must be one embedding, got {len(person)}")
    space = recognizer.embedder.space
    check_same_space(person.space, space)
    found: list[FoundPhoto] = []
    n_photos = n_faces = n_refused = 0
    for photo in recognizer.known_photos(album, on_error=on_error):
        n_photos += 1
        if progress is not None:
            progress("looking", n_photos, len(album))
        judged = [i for i, reasons in enumerate(photo.refusals) if not reasons]
        n_faces += len(judged)
        n_refused += len(photo.refusals) - len(judged)
        if not judged:
            continue
        similarities = photo.embeddings.vectors[judged] @ person.vectors[0]
        best = int(similarities.argmax())
        if similarities[best] >= threshold.similarity:
            x1, y1, x2, y2 = photo.faces.boxes[judged[best]].tolist()
            similarity = float(similarities[best])
            found.append(FoundPhoto(photo.name, judged[best], (x1, y1, x2, y2), similarity))
    found.sort(key=lambda photo: -photo.similarity)
    return FoundPhotos(tuple(found), threshold, n_photos, n_faces, n_refused, space)


def copy_found(found: FoundPhotos, folder: Path) -> None:
    """Copy the photos into a new folder, in the order of their likeness.

    Raises:
        InputError: As `check_copies`.
    """
    check_copies(folder)
    make_private_folder(folder)
    for rank, photo in enumerate(found.photos, start=1):
        # The number keeps photos of one name in different folders apart.
        copy = folder / f"{rank:04d}-{Path(photo.photo).name}"
        with open(photo.photo, "rb") as read, open(copy, "xb", opener=private_opener) as written:
            shutil.copyfileobj(read, written)
        times = os.stat(photo.photo)
        os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))


def check_copies(folder: Path) -> None:
    """Check that nothing would be mixed with what is there.

    Raises:
        InputError: If the folder exists and is not empty, or something else is there.
    """
    check_folder(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"the copies need a new or empty folder, {folder} is not empty")


def write_found_sheet(found: FoundPhotos, path: str | Path) -> None:
    """Write one HTML file with the face of every photo that was found.

    Raises:
        ImageError: If a photo is no longer there.
    """
    pictures = [
        Picture(
            _cut(read_image(photo.photo), photo.box_xyxy),
            f"{Path(photo.photo).name}: {photo.similarity:.3f}",
            _CROP_HEIGHT_PX,
        )
        for photo in found.photos
    ]
    write_blocks(
        Path(path),
        title=f"{len(found.photos)} of {found.n_photos} photos",
        sections=[Section("Best first", pictures=pictures)],
        footer=f"Vultus {__version__}; {found.space}; threshold {found.threshold}",
        privacy=PRIVATE,
    )


def _cut(image: Image, box_xyxy: tuple[float, float, float, float]) -> Image:
    x1, y1, x2, y2 = box_xyxy
    wide, high = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    left, top = max(0, int(x1 - wide)), max(0, int(y1 - high))
    return image[top : max(top + 1, int(y2 + high)), left : max(left + 1, int(x2 + wide))]
