"""Photos grouped by person, as folders and as a contact sheet."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vultus import __version__
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, NoFaceError, QualityError
from vultus.core.faces import Image
from vultus.core.files import check_folder, make_private_folder, private_opener
from vultus.core.progress import Progress, tracked
from vultus.core.thresholds import Threshold
from vultus.matching.clustering import cluster
from vultus.pages.blocks import Picture, Section, write_blocks
from vultus.pages.page import PRIVATE
from vultus.pipeline.photos import AnalysedPhoto, ErrorHandler, tell
from vultus.pipeline.recognizer import Recognizer

_CROP_HEIGHT_PX = 112


@dataclass(frozen=True, slots=True, eq=False)
class GroupedFace:
    """One face of a group: its photo, its place among the photo's faces, its aligned crop."""

    photo: str
    index: int
    crop: Image


@dataclass(frozen=True, slots=True, eq=False)
class PhotoGroups:
    """The faces of many photos, by person.

    Attributes:
        people: The faces of each person; the person with the most faces first.
        threshold: What was applied.
        space: Of the embeddings.
    """

    people: tuple[tuple[GroupedFace, ...], ...]
    threshold: Threshold
    space: EmbeddingSpace

    def __len__(self) -> int:
        """How many faces there are."""
        return sum(map(len, self.people))

    def photos_of(self, person: int) -> list[str]:
        """The photos of one person, each once, in alphabetical order."""
        return sorted({face.photo for face in self.people[person]})

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "people": [
                [{"photo": face.photo, "face": face.index} for face in person]
                for person in self.people
            ],
            "threshold": self.threshold.to_dict(),
        }


def group_photos(
    recognizer: Recognizer,
    photos: Sequence[Path],
    *,
    threshold: Threshold,
    on_error: ErrorHandler | None = None,
    progress: Progress | None = None,
) -> PhotoGroups:
    """Group the faces of many photos by person, without knowing who they are.

    Two doubtful faces need more similarity to be one person, as `Recognizer.verify` asks for.

    Args:
        recognizer: Finds, judges and embeds the faces.
        photos: Paths of the photos.
        threshold: Between groups, e.g. ``recognizer.threshold(fmr)``.
        on_error: Told which photos are unreadable or show no face, and which faces are refused;
            None raises at the first.
        progress: Told how many photos are done.
    """
    faces: list[GroupedFace] = []
    parts: list[Embeddings] = []
    told = tracked(photos, "analysing", total=len(photos), progress=progress)
    for photo in recognizer.analyse(told, on_error=on_error):
        kept = _judged(photo, on_error)
        faces += [GroupedFace(photo.name, i, photo.crops.pixels[i]) for i in kept]
        parts.append(photo.embeddings[kept])
    space = recognizer.embedder.space
    embeddings = Embeddings.concatenate(parts) if parts else Embeddings.empty(space)
    gate = recognizer.limits
    grouping = cluster(
        embeddings,
        threshold=threshold,
        photo_ids=[face.photo for face in faces],
        raised=None if gate is None else gate.raised_each(embeddings.trust),
    )
    people = [
        tuple(faces[i] for i in grouping.members(person)) for person in range(grouping.n_clusters)
    ]
    return PhotoGroups(tuple(people), grouping.threshold, space)


def copy_groups(groups: PhotoGroups, folder: Path) -> None:
    """Copy the photos into a folder per person; a photo of several people into each of theirs.

    Raises:
        InputError: As `check_new_folder`.
    """
    check_new_folder(folder)
    for person in range(len(groups.people)):
        target = folder / f"person-{person + 1:04d}"
        make_private_folder(target)
        for source in groups.photos_of(person):
            copy = target / Path(source).name
            suffix = 1
            while copy.exists():  # photos of one name in different folders
                suffix += 1
                copy = target / f"{Path(source).stem}-{suffix}{Path(source).suffix}"
            with open(source, "rb") as read, open(copy, "xb", opener=private_opener) as written:
                shutil.copyfileobj(read, written)
            times = os.stat(source)
            os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))


def check_new_folder(folder: Path) -> None:
    """Check that nothing would be mixed with what is there.

    Raises:
        InputError: If the folder exists and is not empty, or something else is there.
    """
    check_folder(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"the groups need a new or empty folder, {folder} is not empty")


def write_group_sheet(groups: PhotoGroups, path: str | Path) -> None:
    """Write one HTML file with every person's faces."""
    path = Path(path)
    sections = [
        Section(
            f"Person {number} ({len(person)})",
            pictures=[
                Picture(face.crop, Path(face.photo).name, _CROP_HEIGHT_PX) for face in person
            ],
        )
        for number, person in enumerate(groups.people, start=1)
    ]
    write_blocks(
        path,
        title=f"{len(groups.people)} people in {len(groups)} faces",
        sections=sections,
        footer=f"Vultus {__version__}; {groups.space}; threshold {groups.threshold}",
        privacy=PRIVATE,
    )


def _judged(photo: AnalysedPhoto, on_error: ErrorHandler | None) -> list[int]:
    """The faces that the quality gate does not refuse."""
    if not len(photo.faces):
        tell(on_error, photo.name, NoFaceError("no face found"))
    for index, reasons in enumerate(photo.refusals):
        if reasons:
            tell(on_error, photo.name, QualityError(f"face {index}: {'; '.join(reasons)}"))
    return [index for index, reasons in enumerate(photo.refusals) if not reasons]
