"""The files of IJB-B and IJB-C: where they are, and the meta files as they are passed round."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.evaluation.protocols.photos import PhotoFile, PhotoRoot
from vultus.evaluation.protocols.protocol_files import (
    check_all_there,
    check_complete,
    first_file,
    read_lines,
)

LINES_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class TemplateFaces:
    """Which faces make up which templates, template after template.

    Attributes:
        templates: (t,) int64, numbers of the templates, rising.
        sizes: (t,) int64, how many faces each has.
        names: Photo of each face.
        media: (n,) int64, the still or the video that each face comes from.
    """

    templates: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    names: tuple[str, ...]
    media: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def places(self, templates: npt.NDArray[np.int64], where: str) -> npt.NDArray[np.int64]:
        """Places of templates by their numbers.

        Raises:
            InputError: If one has no face; ``where`` says who names it.
        """
        found = np.searchsorted(self.templates, templates).clip(max=len(self.templates) - 1)
        unknown = self.templates[found] != templates
        if unknown.any():
            raise InputError(
                f"{where} names {int(unknown.sum()):,} templates that have no face, e.g. "
                f"{templates[unknown][0]}"
            )
        return found.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class TemplatePairs:
    """Comparisons of templates.

    Attributes:
        first: (n,) int32, places of templates.
        second: (n,) int32, places of the others.
        genuine: (n,) bool.
    """

    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]
    genuine: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Faces5:
    """Five landmarks of faces, and a detector's score.

    Attributes:
        landmarks: (n, 5, 2) float32 ``x y`` in pixels of the loose crop.
        scores: (n,) float32.
    """

    landmarks: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


def read_faces(path: Path) -> TemplateFaces:
    """Read ``ijbc_face_tid_mid.txt``: ``photo template media`` a line.

    Raises:
        InputError: If a line does not fit; the message names it.
    """
    lines = read_lines(path)
    names, numbers = [], np.empty((len(lines), 2), np.int64)
    for number, line in enumerate(lines):
        words = line.split()
        try:
            name, template, media = words
            numbers[number] = int(template), int(media)
        except ValueError:
            raise InputError(
                f"{path}:{number + 1} must be 'photo template media', got {line!r}"
            ) from None
        names.append(name)
    if not names:
        raise InputError(f"{path} must name faces, it names none")
    order = np.argsort(numbers[:, 0], kind="stable")
    templates, sizes = np.unique(numbers[:, 0], return_counts=True)
    sorted_names = tuple(names[place] for place in order.tolist())
    return TemplateFaces(templates, sizes.astype(np.int64), sorted_names, numbers[order, 1])


def read_pairs(path: Path, faces: TemplateFaces) -> TemplatePairs:
    """Read ``ijbc_template_pair_label.txt``: ``template template label`` a line, label 1 or 0.

    IJB-C has 15.7 million of them; they are read a million at a time.

    Raises:
        InputError: If a line does not fit, or names a template without a face.
    """
    parts: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.bool_]]] = []
    try:
        with path.open(encoding="utf-8") as file:
            while lines := list(islice(file, LINES_AT_ONCE)):
                table = np.loadtxt(lines, dtype=np.int64, ndmin=2)
                if table.shape[1] != 3 or not np.isin(table[:, 2], (0, 1)).all():
                    raise ValueError("labels must be 1 or 0, in the third of three columns")
                first, second = (faces.places(table[:, side], str(path)) for side in (0, 1))
                parts.append((first.astype(np.int32), second.astype(np.int32), table[:, 2] == 1))
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be lines 'template template label': {error}") from error
    if not parts:
        raise InputError(f"{path} must hold pairs, it holds none")
    return TemplatePairs(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def read_landmarks(path: Path, names: tuple[str, ...]) -> Faces5:
    """Read ``ijbc_name_5pts_score.txt``: ``photo x1 y1 ... x5 y5 score`` a line.

    Args:
        path: The file.
        names: The photos that are wanted, in order.

    Raises:
        InputError: If a line does not fit, or a photo is not there.
    """
    rows = {}
    for number, line in enumerate(read_lines(path), start=1):
        name, *words = line.split()
        try:
            row = np.array([float(word) for word in words], np.float32)
        except ValueError:
            row = np.zeros(0, np.float32)
        if row.shape != (11,) or not np.isfinite(row).all():
            raise InputError(f"{path}:{number} must be 'photo x1 y1 ... x5 y5 score', got {line!r}")
        rows[name] = row
    missing = [name for name in names if name not in rows]
    check_complete(path, names, missing, what="photos' landmarks")
    table = np.stack([rows[name] for name in names])
    return Faces5(np.ascontiguousarray(table[:, :10]).reshape(-1, 5, 2), table[:, 10].copy())


def read_subjects(path: Path) -> dict[int, int]:
    """Read a list of templates for 1:N, e.g. ``ijbc_1N_gallery_G1.csv``.

    Columns are found by the heading (``TEMPLATE_ID``, ``SUBJECT_ID``), or else are the first two;
    a template may take several lines.

    Returns:
        Number of the template -> number of the subject.

    Raises:
        InputError: If a line does not fit, or a template has two subjects.
    """
    lines = read_lines(path)
    if len(lines) < 2:
        raise InputError(f"{path} must have a heading and templates, it has {len(lines)} lines")
    table = list(csv.reader(lines))
    heading = [word.strip().upper() for word in table[0]]
    known = "TEMPLATE_ID" in heading and "SUBJECT_ID" in heading
    columns = (heading.index("TEMPLATE_ID"), heading.index("SUBJECT_ID")) if known else (0, 1)
    subjects: dict[int, int] = {}
    for number, row in enumerate(table[1:], start=2):
        try:
            template, subject = (int(row[column]) for column in columns)
        except (ValueError, IndexError):
            raise InputError(
                f"{path}:{number} must begin with template and subject, got {','.join(row)!r}"
            ) from None
        if subjects.setdefault(template, subject) != subject:
            raise InputError(f"{path}:{number}: template {template} has two subjects")
    return subjects


def meta_folder(root: Path, prefix: str) -> Path:
    """The folder of the meta files.

    Raises:
        InputError: If it is not there.
    """
    places = (root / "meta", root / prefix.upper() / "meta", root)
    found = first_file(places, (f"{prefix}_face_tid_mid.txt",))
    if found is None:
        raise InputError(f"{root} must hold meta/{prefix}_face_tid_mid.txt")
    return found.parent


def read_galleries(
    meta: Path, prefix: str
) -> tuple[dict[str, dict[int, int]], dict[int, int], list[Path]]:
    """Who is in which gallery, and who is searched for.

    Returns:
        Template -> subject of each gallery by its name, and of the probes; the files. Nothing
        where there are no galleries.

    Raises:
        InputError: If a file is missing or not of the layout.
    """
    galleries = sorted(meta.glob(f"{prefix}_1N_gallery_*.csv"))
    if not galleries:
        return {}, {}, []
    probes = meta / f"{prefix}_1N_probe_mixed.csv"
    named = {path.stem.rpartition("_")[2]: read_subjects(path) for path in galleries}
    return named, read_subjects(probes), [*galleries, probes]


def find_photos(
    place: Path, names: Sequence[str]
) -> tuple[Sequence[str], Callable[[str], PhotoFile]]:
    """Names of the photos and how to read them; only embeddings may be there, and no photos.

    Args:
        place: Folder, zip or ``.npz``; one that does not exist cannot be read from.
        names: What the meta files call them.

    Raises:
        InputError: If one is not there.
    """
    if place.is_dir():
        check_all_there(place, names, what="photos")
        return names, place.joinpath
    if place.is_file():
        root = PhotoRoot(place)
        return [root.find(name) for name in names], root.read

    def refuse(name: str) -> PhotoFile:
        raise InputError(f"there are no photos at {place}; say where they are: --set images=PATH")

    return names, refuse
