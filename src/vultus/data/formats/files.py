"""Image files below a folder or inside a zip, by number."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from vultus.core.errors import ImageError, InputError
from vultus.core.mapped_file import MappedFile
from vultus.core.zip_file import ZipMember, is_zip, read_member, zip_members
from vultus.data.formats.name_table import NameTable
from vultus.image.io import (
    EXTENSIONS,
    ending,
    is_hidden,
    is_image_name,
    is_sidecar,
    walk_images,
    warn_left_out,
)

MAX_IMAGE_BYTES = 1 << 26
"""No image of a data set or protocol is taken that has more bytes than this (64 MiB)."""

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""Never waits, so that a named pipe among the images is refused instead."""


class ImageFiles(Protocol):
    """Image files with names relative to a root, with ``/``, sorted; hidden ones left out."""

    names: NameTable
    empty_folders: tuple[str, ...]
    """Folders with neither an image nor a folder in them."""

    def read(self, index: int) -> bytes:
        """The bytes of a file; `ImageError` if it cannot be read."""

    def source(self, index: int) -> str:
        """The whole name of a file."""


def open_files(root: str | Path) -> ImageFiles:
    """Find the images below a folder or inside a zip.

    Raises:
        InputError: If it is neither, cannot be read, holds no image, or is a zip that is damaged or
            whose names lead out of it.
    """
    root = Path(root)
    if root.is_dir():
        files: ImageFiles = FolderFiles(root)
    elif is_zip(root):
        files = ZipFiles(root)
    else:
        raise InputError(f"{root} must be a folder or a zip of images")
    if not len(files.names):
        raise InputError(
            f"{root} must hold images ({' '.join(sorted(EXTENSIONS))}), found none in it"
        )
    return files


class FolderFiles:
    """The images below a folder; links to folders are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        empty: list[str] = []
        left_out: Counter[str] = Counter()
        self.names = NameTable(sorted(self._walk(empty, left_out)))
        self.empty_folders = tuple(sorted(empty))
        warn_left_out(str(root), left_out)

    def _walk(self, empty: list[str], left_out: Counter[str]) -> Iterator[str]:
        for parent, folders, images in walk_images(self.root, left_out=left_out):
            below = PurePosixPath(parent.relative_to(self.root).as_posix())
            if not images and not folders and parent != self.root:
                empty.append(str(below))
            yield from (str(below / name) for name in images)

    def read(self, index: int) -> bytes:
        """The bytes of a file."""
        return read_image_file(self.source(index))

    def source(self, index: int) -> str:
        """Its path."""
        return f"{self.root}{os.sep}{self.names[index]}"


def read_image_file(path: str | Path) -> bytes:
    """The bytes of an image file of at most `MAX_IMAGE_BYTES`.

    Raises:
        ImageError: If it is no regular file, cannot be read, or is larger.
    """
    try:
        descriptor = os.open(path, _READ)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_IMAGE_BYTES:
                raise ImageError(f"{path} must be a file of at most {MAX_IMAGE_BYTES:,} bytes")
            return _read_all(descriptor, found.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error


def _read_all(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size)
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


class ZipFiles:
    """The images inside a zip, stored or deflated; forked workers may read it at once.

    Raises:
        InputError: If the file is no zip, is damaged, or holds names that lead out of it.
    """

    def __init__(self, path: Path) -> None:
        self._file = MappedFile(path)
        members, folders = zip_members(path)
        seen = [member for member in members if not _is_below_hidden(member.name)]
        images = sorted(member for member in seen if is_image_name(PurePosixPath(member.name).name))
        names = (PurePosixPath(member.name).name for member in seen)
        others = [name for name in names if not (is_image_name(name) or is_sidecar(name))]
        warn_left_out(str(path), Counter(map(ending, others)))
        self.names = NameTable(image.name for image in images)
        self.empty_folders = _empty_folders(members, folders)
        # A row a member, the fields of `ZipMember` without its name.
        self._members = np.array([image[1:] for image in images], np.int64).reshape(len(images), 6)

    def read(self, index: int) -> bytes:
        """The bytes of a member, checked against its CRC-32."""
        try:
            return read_member(self._file, self.member(index), max_bytes=MAX_IMAGE_BYTES)
        except InputError as error:
            raise ImageError(str(error)) from error

    def member(self, index: int) -> ZipMember:
        """Where in the zip its bytes lie."""
        return ZipMember(self.names[index], *self._members[index].tolist())

    def source(self, index: int) -> str:
        """The zip's path and the member's name."""
        return f"{self._file.path}/{self.names[index]}"


def _empty_folders(members: list[ZipMember], folders: list[str]) -> tuple[str, ...]:
    names = [*(member.name for member in members), *folders]
    used = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    return tuple(sorted(f for f in folders if f not in used and not _is_below_hidden(f)))


def _is_below_hidden(name: str) -> bool:
    return any(is_hidden(part) for part in name.split("/"))
