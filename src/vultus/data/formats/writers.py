"""Writers of data sets: each takes an identity's name and the bytes of an image's file."""

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from vultus.core.errors import ImageError, InputError
from vultus.core.files import make_private_folder, private_opener
from vultus.data.formats.folder import UNLABELLED_FOLDER
from vultus.data.formats.record_writer import record_writer
from vultus.data.formats.tar_writer import tar_writer
from vultus.image.decode import is_heif

AddImage = Callable[[str | None, bytes], None]
"""Appends an image of an identity (None: of nobody known)."""

_MAGICS = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG\r\n\x1a\n": ".png",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"GIF8": ".gif",
}


def image_ending(data: bytes, name: str) -> str:
    """The file name ending for an image, by its first bytes.

    Args:
        data: The bytes of the file.
        name: What the message calls the image.

    Raises:
        ImageError: If it is of none of the formats that data sets are made of.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if is_heif(data):
        return ".heic"
    for magic, ending in _MAGICS.items():
        if data.startswith(magic):
            return ending
    raise ImageError(f"{name} is no JPEG, PNG, WebP, BMP, TIFF, GIF or HEIF image")


@contextmanager
def _write_folder(folder: Path) -> Iterator[AddImage]:
    names = _Names()
    make_private_folder(folder)

    def add(identity: str | None, data: bytes) -> None:
        path = folder / names.next_name(identity, data)
        make_private_folder(path.parent)
        with open(path, "xb", opener=private_opener) as stream:
            stream.write(data)

    yield add


@contextmanager
def _write_zip(path: Path) -> Iterator[AddImage]:
    names = _Names()
    # Stored: images are compressed already, and so each can be read from its place.
    with (
        open(path, "xb", opener=private_opener) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive,
    ):
        # A ZipInfo has a fixed date, so the same images make the same file.
        yield lambda identity, data: archive.writestr(
            zipfile.ZipInfo(names.next_name(identity, data)), data
        )


@contextmanager
def _write_records(folder: Path) -> Iterator[AddImage]:
    with record_writer(folder) as writer:
        yield writer.add


@contextmanager
def _write_tars(folder: Path) -> Iterator[AddImage]:
    with tar_writer(folder) as write:

        def add(identity: str | None, data: bytes) -> None:
            if identity is not None:
                _check_name(identity)
            write(identity, data, image_ending(data, f"an image of {identity}"))

        yield add


WRITERS: dict[str, Callable[[Path], AbstractContextManager[AddImage]]] = {
    "folder": _write_folder,
    "zip": _write_zip,
    "recordio": _write_records,
    "webdataset": _write_tars,
}
"""Writers by kind; the data set is complete when the ``with`` block ends without error."""


class _Names:
    """Numbers the images of each identity: ``anna/00001.jpg``."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def next_name(self, identity: str | None, data: bytes) -> str:
        folder = UNLABELLED_FOLDER if identity is None else identity
        if identity is not None:
            _check_name(identity)
        self._counts[folder] += 1
        number = self._counts[folder]
        return f"{folder}/{number:05}{image_ending(data, f'image {number} of {folder}')}"


def _check_name(identity: str) -> None:
    if not is_identity_name(identity):
        raise InputError(
            f"identities must be usable as names of folders (relative, none of them hidden, "
            f"'..' or {UNLABELLED_FOLDER}), got {identity!r}"
        )


def is_identity_name(identity: str) -> bool:
    """True for a name that can be a folder's below the root of a data set.

    It may have parts, as in ``source/anna``; none may be empty, hidden or ``..``, and there may be
    no backslash, colon or control character.
    """
    # Names may come from a file that a stranger wrote: nothing may be written outside.
    parts = identity.split("/")
    hidden = any(not part or part.startswith((".", "__MACOSX")) for part in parts)
    return not hidden and UNLABELLED_FOLDER not in parts and not set(identity) & set("\\:\0\n\r\t")
