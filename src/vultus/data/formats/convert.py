"""From one format of data set to another; the bytes of the images stay as they are."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vultus.core.checks import check_range
from vultus.core.errors import ImageError, InputError
from vultus.core.files import appearing, writing
from vultus.core.progress import Progress, tracked
from vultus.data.base import UNLABELLED, FaceDataset
from vultus.data.decode import decode_image
from vultus.data.formats.writers import WRITERS, AddImage, image_ending


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion did.

    Attributes:
        images: How many were written.
        identities: Of how many people.
        unreadable: Message by index, for each image that was left out.
    """

    images: int
    identities: int
    unreadable: dict[int, str]


def convert(
    dataset: FaceDataset,
    target: Path,
    *,
    kind: str,
    decode: bool = False,
    max_unreadable: float = 0.01,
    progress: Progress | None = None,
) -> Conversion:
    """Copy a data set into another format.

    Images are written identity by identity, those without one last. Nothing is at ``target``
    before all of it is.

    Args:
        dataset: What to copy.
        target: A new folder (``"folder"``, ``"recordio"``, ``"webdataset"``) or file (``"zip"``).
        kind: A name of `vultus.data.formats.writers.WRITERS`.
        decode: Decode each image to see whether it can be; else only its first bytes are looked at.
        max_unreadable: Share of images that may be left out as they cannot be read, [0, 1].
        progress: Told how many images are done.

    Raises:
        InputError: If too many images cannot be read, there is something at ``target``, it cannot
            be written, or a name cannot be stored in that format.
    """
    if kind not in WRITERS:
        raise InputError(f"kind must be one of {', '.join(WRITERS)}, got {kind!r}")
    cap = check_range("max_unreadable", max_unreadable, low=0, high=1) * len(dataset)
    unreadable: dict[int, str] = {}
    with appearing(target) as part, WRITERS[kind](part) as add:
        order = _by_identity(dataset)
        for index in tracked(order, "converting", total=len(order), progress=progress):
            try:
                _copy(dataset, index, add, decode=decode)
            except ImageError as error:
                unreadable[index] = str(error)
                if len(unreadable) > cap:
                    raise InputError(
                        f"{len(unreadable)} images are unreadable, more than the share of "
                        f"{max_unreadable:g} of {len(dataset)} that may be; the last: {error}"
                    ) from error
    kept = np.delete(dataset.labels, list(unreadable))
    return Conversion(len(kept), len(set(kept.tolist()) - {UNLABELLED}), unreadable)


def target_kind(target: Path) -> str:
    """The format that the name of a target asks for: ``"zip"``, ``"list"`` or ``"folder"``."""
    return {".zip": "zip", ".tsv": "list", ".txt": "list"}.get(target.suffix.lower(), "folder")


def write_list(dataset: FaceDataset, target: Path) -> None:
    """List the files of a data set, ``path<tab>identity``; no image is copied or looked at.

    Args:
        dataset: One whose images are files of their own.
        target: The list; paths are relative to its folder.

    Raises:
        InputError: If the images lie inside another file, a name cannot stand in a list, or the
            list cannot be written.
    """
    lines = [_line(dataset, index, target.parent.resolve()) for index in range(len(dataset))]
    with writing(target, replace=False, private=True) as stream:
        stream.write("".join(lines).encode())


def _by_identity(dataset: FaceDataset) -> list[int]:
    labels = dataset.labels
    groups = np.where(labels == UNLABELLED, len(dataset.identities), labels)
    order: list[int] = np.argsort(groups, kind="stable").tolist()
    return order


def _copy(dataset: FaceDataset, index: int, add: AddImage, *, decode: bool) -> None:
    data = dataset.encoded(index)
    image_ending(data, dataset.source(index))
    if decode:
        decode_image(data, dataset.source(index))
    label = int(dataset.labels[index])
    add(None if label == UNLABELLED else dataset.identities[label], data)


def _line(dataset: FaceDataset, index: int, folder: Path) -> str:
    path = dataset.path(index)
    if path is None:
        raise InputError(
            f"a list names files, and {dataset.source(index)} is none; convert to a folder first"
        )
    label = int(dataset.labels[index])
    columns = [Path(os.path.relpath(path.resolve(), folder)).as_posix()]
    columns += [] if label == UNLABELLED else [dataset.identities[label]]
    if any(set(column) & set("\t\r\n\0") for column in columns) or columns[0].startswith("#"):
        raise InputError(f"a line of a list cannot hold the name {columns!r}; rename it")
    return "\t".join(columns) + "\n"
