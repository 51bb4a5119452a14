"""Photos by name, read one by one when they are asked for; below a folder, in a zip, or stored."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import overload

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, frozen
from vultus.core.errors import InputError
from vultus.core.zip_file import is_zip
from vultus.data.formats.files import FolderFiles, ImageFiles, open_files
from vultus.embedding.embedding_file import read_embedding_file

PhotoFile = Path | bytes
"""A photo's path, or its encoded bytes."""


class Photos(Sequence[PhotoFile]):
    """Photos in order; nothing is held in memory.

    Args:
        names: Name of each, for messages and for stored embeddings; the path below a root where
            there is one.
        read: Gives the photo of a name.
        landmarks: (n, 5, 2) float32 ``x y`` in pixels of the photo, in the order of
            `vultus.core.faces.LANDMARK_NAMES`: each photo is aligned with these, and nothing is
            detected. None where the data set gives none.
        boxes: (n, 4) float32 ``x1 y1 x2 y2`` in pixels of the photo: of the faces that are found
            the one here is meant. A row of NaN says nothing, and so does None.

    Attributes:
        names: As given.
        landmarks: As given.
        boxes: As given.

    Raises:
        InputError: If shapes or dtypes do not match.
    """

    def __init__(
        self,
        names: Sequence[str],
        read: Callable[[str], PhotoFile],
        *,
        landmarks: npt.NDArray[np.float32] | None = None,
        boxes: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.names = names
        self._read = read
        if landmarks is not None:
            check_array("landmarks", landmarks, dtype=np.float32, shape=(len(names), 5, 2))
            landmarks = frozen(landmarks)
        if boxes is not None:
            check_array("boxes", boxes, dtype=np.float32, shape=(len(names), 4), finite=False)
            boxes = frozen(boxes)
        self.landmarks = landmarks
        self.boxes = boxes

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> PhotoFile: ...

    @overload
    def __getitem__(self, index: slice) -> "Photos": ...

    def __getitem__(self, index: int | slice) -> "PhotoFile | Photos":
        if not isinstance(index, slice):
            return self._read(self.names[index])
        return Photos(
            self.names[index],
            self._read,
            landmarks=None if self.landmarks is None else self.landmarks[index],
            boxes=None if self.boxes is None else self.boxes[index],
        )

    def take(self, places: npt.NDArray[np.int64]) -> "Photos":
        """Some of the photos, in the order of ``places`` (n,) int64."""
        return Photos(
            [self.names[place] for place in places.tolist()],
            self._read,
            landmarks=None if self.landmarks is None else self.landmarks[places],
            boxes=None if self.boxes is None else self.boxes[places],
        )


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
        InputError: If it is neither, holds no photo, or is a damaged or hostile zip.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: ImageFiles | None = None
        if root.suffix == ".npz" and not root.is_dir():
            self.names = _stored_names(root)
            return
        if not root.is_dir() and not is_zip(root):
            raise InputError(
                f"root must be a folder or a zip of photos, or an .npz of embeddings, got {root}"
            )
        self._files = open_files(root)
        self.names = list(self._files.names)

    def find(self, name: str, *, by: str = "the protocol") -> str:
        """The one photo that a protocol file means.

        Args:
            name: Its path below the root, or only its file name; the ending does not matter, so
                that a list of ``.jpg`` serves photos stored as PNG or WebP.
            by: What names it, for messages.

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
            raise InputError(f"{by} names {name}, and {self.root} has no such photo")
        raise InputError(
            f"{by} names {name}, and {self.root} has several: {', '.join(matches[:3])}; "
            "give the folder that holds one copy"
        )

    @cached_property
    def _known(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

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
            ImageError: If the photo is damaged inside the zip, or too large.
        """
        if self._files is None:
            raise InputError(f"{self.root} holds embeddings only; {name} cannot be read from it")
        if isinstance(self._files, FolderFiles):
            return self.root / name
        return self._files.read(self._known[name])


def people_of(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """(n,) int64, who is on each photo: people have a folder each, numbered in its order."""
    folders = [PurePosixPath(name).parent.name for name in names]
    return np.unique(folders, return_inverse=True)[1].astype(np.int64)


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
