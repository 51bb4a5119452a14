"""Image files below a folder or inside a zip, by number."""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from vultus.core.errors import ImageError, InputError
from vultus.data.formats.mapped import MappedFile
from vultus.data.formats.name_table import NameTable
from vultus.image.io import EXTENSIONS

MAX_IMAGE_BYTES = 1 << 26
"""No image of a training set is taken that has more bytes than this (64 MiB)."""

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""Never waits, so that a named pipe among the images is refused instead."""

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1


class ImageFiles(Protocol):
    """Image files with names relative to a root, with ``/``, sorted; hidden ones left out."""

    names: NameTable
    empty_folders: tuple[str, ...]
    """Folders with neither an image nor a folder in them."""

    def read(self, index: int) -> bytes:
        """The bytes of a file; `ImageError` if it cannot be read."""

    def source(self, index: int) -> str:
        """The whole name of a file."""


def open_files(root: Path) -> ImageFiles:
    """Find the images below a folder or inside a zip.

    Raises:
        InputError: If it is neither, cannot be read, or holds no image.
    """
    if root.is_dir():
        files: ImageFiles = FolderFiles(root)
    elif zipfile.is_zipfile(root):
        files = ZipFiles(root)
    else:
        raise InputError(f"{root} must be a folder or a zip of images")
    if not len(files.names):
        raise InputError(f"{root} holds no image ({' '.join(sorted(EXTENSIONS))})")
    return files


class FolderFiles:
    """The images below a folder; links to folders are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        empty: list[str] = []
        self.names = NameTable(sorted(self._walk(empty)))
        self.empty_folders = tuple(sorted(empty))

    def _walk(self, empty: list[str]) -> Iterator[str]:
        for parent, folders, files in os.walk(self.root):
            folders[:] = [folder for folder in folders if not _is_hidden(folder)]
            below = PurePosixPath(Path(parent).relative_to(self.root).as_posix())
            images = [name for name in files if _is_image(name)]
            if not images and not folders and parent != str(self.root):
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
    """The images inside a zip, stored or deflated.

    Members are read straight from the mapped file: `zipfile` would keep a position that forked
    workers share, and costs as much a file as decoding a small crop.

    Raises:
        InputError: If the file is no zip, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = MappedFile(path)
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} cannot be read as a zip: {error}") from error
        images = sorted(
            (info for info in infos if _is_visible_image(info.filename)), key=lambda i: i.filename
        )
        self.names = NameTable(info.filename for info in images)
        self.empty_folders = _empty_folders(infos)
        # A row a member: start of its local header, packed size, size, CRC-32, method, flags.
        self._members = np.array(
            [
                (i.header_offset, i.compress_size, i.file_size, i.CRC, i.compress_type, i.flag_bits)
                for i in images
            ],
            np.int64,
        ).reshape(len(images), 6)

    def read(self, index: int) -> bytes:
        """The bytes of a member, checked against its CRC-32."""
        start, packed_size, size, crc, method, flags = self._members[index].tolist()
        known = method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and not flags & _ENCRYPTED
        if not known or max(size, packed_size) > MAX_IMAGE_BYTES:
            raise ImageError(
                f"{self.source(index)} must be stored or deflated, not encrypted, "
                f"and have at most {MAX_IMAGE_BYTES:,} bytes"
            )
        header = self._file.read(start, _LOCAL_HEADER.size)
        if len(header) != _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise ImageError(f"{self.source(index)} has no header where the zip says it starts")
        _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        start += _LOCAL_HEADER.size + name_length + extra_length
        data = self._file.read(start, packed_size)
        if method == zipfile.ZIP_DEFLATED:
            data = self._inflate(data, size, index)
        if len(data) != size or zlib.crc32(data) != crc:
            raise ImageError(f"{self.source(index)} is damaged: size or checksum differ")
        return data

    def _inflate(self, packed: bytes, size: int, index: int) -> bytes:
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
        except zlib.error as error:
            raise ImageError(f"{self.source(index)} is damaged: {error}") from error

    def source(self, index: int) -> str:
        """The zip's path and the member's name."""
        return f"{self._file.path}/{self.names[index]}"


def _empty_folders(infos: list[zipfile.ZipInfo]) -> tuple[str, ...]:
    used = {str(parent) for info in infos for parent in PurePosixPath(info.filename).parents}
    folders = (info.filename.rstrip("/") for info in infos if info.is_dir())
    return tuple(sorted(f for f in folders if f not in used and not _is_below_hidden(f)))


def _is_visible_image(name: str) -> bool:
    return _is_image(name.rsplit("/", 1)[-1]) and not _is_below_hidden(name)


def _is_below_hidden(name: str) -> bool:
    return any(_is_hidden(part) for part in name.split("/"))


def _is_image(name: str) -> bool:
    return not _is_hidden(name) and os.path.splitext(name)[1].lower() in EXTENSIONS


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))
