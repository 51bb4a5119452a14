"""A folder or a zip of photos, whose files are found by name; or names of photos alone."""

import zipfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from vultus.core.errors import InputError
from vultus.embedding.embedding_file import read_embedding_file
from vultus.evaluation.protocols.photos import PhotoFile, Photos
from vultus.image.io import EXTENSIONS


class PhotoRoot:
    """The photos below a folder, inside a zip file, or behind a file of embeddings.

    Hidden files are no photos. A zip is read one photo at a time, when it is asked for. A file of
    embeddings (``.npz``) knows the names of its photos, below the folder that they share, and
    cannot give the photos themselves.

    Args:
        root: A folder, a zip file, or a file that ends in ``.npz``.

    Attributes:
        names: Paths of all photos relative to the root, with ``/``, sorted.

    Raises:
        InputError: If it is neither, or holds no photo.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._zip: zipfile.ZipFile | None = None
        if root.is_dir():
            found = [path.relative_to(root).as_posix() for path in root.rglob("*")]
        elif root.suffix == ".npz":
            found = _stored_names(root)
        elif zipfile.is_zipfile(root):
            self._zip = zipfile.ZipFile(root)
            found = self._zip.namelist()
        else:
            raise InputError(
                f"root must be a folder or a zip of photos, or an .npz of embeddings, got {root}"
            )
        self.names = sorted(name for name in found if _is_photo(name))
        if not self.names:
            raise InputError(
                f"root must hold photos ({' '.join(sorted(EXTENSIONS))}), found none in {root}"
            )

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

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        stems: dict[str, list[str]] = {}
        for name in self.names:
            stems.setdefault(PurePosixPath(name).stem, []).append(name)
        return stems

    def photos(self, names: Iterable[str]) -> Photos:
        """These photos, in this order, read when asked for."""
        return Photos(list(names), self.read)

    def read(self, name: str) -> PhotoFile:
        """Path of a photo in a folder; bytes of one in a zip.

        Raises:
            InputError: If there are embeddings only.
        """
        if self._zip is not None:
            return self._zip.read(name)
        if self.root.suffix == ".npz":
            raise InputError(f"{self.root} holds embeddings only; {name} cannot be read from it")
        return self.root / name


def _is_photo(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in EXTENSIONS and not hidden


def _stored_names(path: Path) -> list[str]:
    file = read_embedding_file(path)
    stored = {source.photo.replace("\\", "/") for source in file.sources}
    names = sorted(stored | {name.replace("\\", "/") for name in file.failed})
    folders = [PurePosixPath(name).parent.parts for name in names]
    same = [len(set(level)) == 1 for level in zip(*folders, strict=False)]
    shared = same.index(False) if False in same else len(same)
    return ["/".join(PurePosixPath(name).parts[shared:]) for name in names]


def _ends_with(path: PurePosixPath, tail: tuple[str, ...]) -> bool:
    return path.with_suffix("").parts[-len(tail) :] == tail
