"""A folder or a zip of photos, whose files are found by name."""

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import overload

from vultus.core.errors import InputError
from vultus.evaluation.protocols.base import PhotoFile
from vultus.image.io import EXTENSIONS

__all__ = ["PhotoRoot", "Photos"]


class PhotoRoot:
    """The photos below a folder or inside a zip file.

    Hidden files are no photos. A zip is read one photo at a time, when it is asked for.

    Args:
        root: A folder, or a file that ends in ``.zip``.

    Attributes:
        names: Paths of all photos relative to the root, with ``/``, sorted.

    Raises:
        InputError: If it is neither, or holds no photo.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._zip: zipfile.ZipFile | None = None
        if root.is_dir():
            found = (path.relative_to(root).as_posix() for path in root.rglob("*"))
        elif zipfile.is_zipfile(root):
            self._zip = zipfile.ZipFile(root)
            found = (name for name in self._zip.namelist())
        else:
            raise InputError(f"root must be a folder or a zip of photos, got {root}")
        self.names = sorted(name for name in found if _is_photo(name))
        if not self.names:
            raise InputError(
                f"root must hold photos ({' '.join(sorted(EXTENSIONS))}), found none in {root}"
            )
        self._stems: dict[str, list[str]] = {}
        for name in self.names:
            self._stems.setdefault(PurePosixPath(name).stem, []).append(name)
        self._known = set(self.names)

    def find(self, name: str) -> str:
        """The one photo that a protocol file means.

        Args:
            name: Its path below the root, or only its file name; the ending does not matter, so
                that a list of ``.jpg`` serves photos stored as PNG or WebP.

        Raises:
            InputError: If there is none, or several.
        """
        if name in self._known:
            return name
        wanted = PurePosixPath(name)
        matches = self._stems.get(wanted.stem, [])
        if len(wanted.parts) > 1:
            tail = wanted.with_suffix("").parts
            matches = [m for m in matches if _ends_with(PurePosixPath(m), tail)]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise InputError(f"the protocol names {name}, and {self.root} has no such photo")
        raise InputError(
            f"the protocol names {name}, and {self.root} has several: {', '.join(matches[:3])}; "
            "give the folder that holds one copy"
        )

    def photos(self, names: Iterable[str]) -> "Photos":
        """These photos, in this order, read when asked for."""
        return Photos(self, list(names))

    def read(self, name: str) -> PhotoFile:
        """Path of a photo in a folder; bytes of one in a zip."""
        if self._zip is None:
            return self.root / name
        return self._zip.read(name)


class Photos(Sequence[PhotoFile]):
    """Photos of one root by their names; nothing is held in memory."""

    def __init__(self, root: PhotoRoot, names: list[str]) -> None:
        self._root = root
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> PhotoFile: ...

    @overload
    def __getitem__(self, index: slice) -> "Photos": ...

    def __getitem__(self, index: int | slice) -> "PhotoFile | Photos":
        if isinstance(index, slice):
            return Photos(self._root, self._names[index])
        return self._root.read(self._names[index])


def _is_photo(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in EXTENSIONS and not hidden


def _ends_with(path: PurePosixPath, tail: tuple[str, ...]) -> bool:
    return path.with_suffix("").parts[-len(tail) :] == tail
