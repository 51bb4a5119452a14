"""A text file that lists images with their identities."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from vultus.core.errors import InputError
from vultus.data.base import DATASETS, UNLABELLED, FaceDataset
from vultus.data.formats.files import read_image_file
from vultus.data.formats.name_table import NameTable

_NUMBER = re.compile(r"-1|0|[1-9][0-9]{0,15}")
_LABEL = re.compile(r"(-1|[0-9]{1,15})(?:\.0*)?")
_BLANK_THEN_NUMBER = re.compile(r"(.*\S)\s+(-1|[0-9]+)")


@DATASETS.register("list")
class ListDataset(FaceDataset):
    """Images named by the lines of a file, ``path<tab>identity``.

    The identity is a name, or a number if all of them are numbers, where -1 is nobody. A path
    alone has no identity. Lists of the kind ``path 17``, with a blank and a number, are read too,
    and so are files ``.lst`` of im2rec (number, label, path) and of insightface (whether aligned,
    path, label, perhaps box and landmarks, which are not used).
    Empty lines and those that begin with ``#`` are left out. Numbers are closed up to labels
    without gaps and stay as names.

    Args:
        root: The list, UTF-8.
        folder: What the paths are relative to; None is the folder of the list.

    Attributes:
        paths: As they stand in the list.

    Raises:
        InputError: If the file cannot be read, a line is of another form, a path comes twice, or
            the first image is not there.
    """

    def __init__(self, root: str | Path, *, folder: str | Path | None = None) -> None:
        list_file = Path(root)
        self._folder = list_file.parent if folder is None else Path(folder)
        rows = list(_rows(list_file))
        if not rows:
            raise InputError(f"{list_file} must name images, got none")
        self.paths = NameTable(path for path, _ in rows)
        if not self.path(0).is_file():
            raise InputError(
                f"{list_file} names {self.paths[0]}, and there is no {self.path(0)}; "
                "set the folder that its paths are relative to"
            )
        owners = [owner for _, owner in rows]
        identities = ordered_names({owner for owner in owners if owner is not None})
        label_of: dict[str | None, int] = {name: label for label, name in enumerate(identities)}
        label_of[None] = UNLABELLED
        labels = np.fromiter((label_of[owner] for owner in owners), np.int64, len(owners))
        super().__init__(labels, identities=identities)

    @property
    def names(self) -> Iterable[str]:
        """Paths as they stand in the list."""
        return self.paths

    def encoded(self, index: int) -> bytes:
        """The bytes of the image's file."""
        return read_image_file(self.path(index))

    def path(self, index: int) -> Path:
        """The image's file."""
        return self._folder / self.paths[index]

    def source(self, index: int) -> str:
        """The image's path."""
        return str(self.path(index))


def _rows(list_file: Path) -> Iterator[tuple[str, str | None]]:
    """Path and identity of each line; an identity of None for none."""
    seen: set[str] = set()
    columns = _lst_columns if list_file.suffix.lower() == ".lst" else _columns
    for number, line in enumerate(_lines(list_file), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        path, owner = columns(line, where=f"{list_file}:{number}")
        if path in seen:
            raise InputError(f"{list_file}:{number} names {path} for the second time")
        seen.add(path)
        yield path, owner


def _lines(list_file: Path) -> Iterator[str]:
    try:
        with open(list_file, encoding="utf-8-sig") as stream:
            yield from (line.rstrip("\r\n") for line in stream)
    except OSError as error:
        raise InputError(f"{list_file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{list_file} must be UTF-8 text: {error}") from error


def _columns(line: str, *, where: str) -> tuple[str, str | None]:
    columns = line.split("\t")
    if len(columns) == 1:
        match = _BLANK_THEN_NUMBER.fullmatch(line)
        columns = [line.strip()] if match is None else list(match.groups())
    if len(columns) > 2 or not all(column.strip() for column in columns) or "\0" in line:
        raise InputError(f"{where} must be 'path<tab>identity', got {line!r}")
    owner = columns[1].strip() if len(columns) == 2 else None
    return columns[0], None if owner == str(UNLABELLED) else owner


def _lst_columns(line: str, *, where: str) -> tuple[str, str | None]:
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) >= 3 and columns[0].isascii() and columns[0].isdigit() and "\0" not in line:
        if (label := _whole_number(columns[1])) is not None and columns[-1]:
            return columns[-1], None if label == UNLABELLED else str(label)
        if (label := _whole_number(columns[2])) is not None and columns[0] in "01" and columns[1]:
            return columns[1], None if label == UNLABELLED else str(label)
    raise InputError(
        f"{where} must be 'number<tab>label<tab>path' or 'aligned<tab>path<tab>label', got {line!r}"
    )


def _whole_number(text: str) -> int | None:
    """im2rec writes labels as floats, e.g. 17.000000; None if it is no label."""
    match = _LABEL.fullmatch(text)
    return None if match is None else int(match[1])


def ordered_names(names: set[str]) -> list[str]:
    """Identities in order: by number if all are numbers, else by name."""
    numbers = all(_NUMBER.fullmatch(name) for name in names)
    return sorted(names, key=int) if numbers else sorted(names)
