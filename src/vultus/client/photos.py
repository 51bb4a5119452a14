"""Photos as they are sent: the bytes of a file, whatever they were given as."""

import struct
import zlib
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from vultus.core.errors import InputError


@runtime_checkable
class Pixels(Protocol):
    """A NumPy array, or what can be one; here nothing needs NumPy."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Shape, type and strides."""

    def tobytes(self) -> bytes:
        """Row by row, without gaps."""


Photo = str | PathLike[str] | bytes | BinaryIO | Pixels
"""A path, the bytes of a file, a file that is open, or an (h, w, 3) uint8 array, RGB."""


def photo_bytes(photo: Photo) -> bytes:
    """The photo as a file's bytes; an array becomes a PNG, which keeps every pixel.

    Args:
        photo: The photo.

    Raises:
        InputError: If it is something else, or an array of another shape or type.
        OSError: If a file cannot be read.
    """
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, (str, PathLike)):
        return Path(photo).read_bytes()
    if isinstance(photo, Pixels):
        return _png(photo)
    if hasattr(photo, "read") and isinstance(data := photo.read(), bytes):
        return data
    raise InputError(
        "a photo must be a path, bytes, a binary file or an (h, w, 3) uint8 array, got "
        f"{type(photo).__name__}"
    )


def _png(pixels: Pixels) -> bytes:
    """ISO/IEC 15948: signature, header, one compressed block of rows without filter, end."""
    told = pixels.__array_interface__
    shape, kind = told["shape"], told["typestr"]
    if len(shape) != 3 or shape[2] != 3 or kind != "|u1" or 0 in shape:
        raise InputError(
            f"an array that is a photo must be uint8 of shape (h, w, 3), got {kind} of {shape}"
        )
    height, width = shape[:2]
    data = pixels.tobytes()
    row = 3 * width
    rows = b"".join(b"\0" + data[start : start + row] for start in range(0, len(data), row))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    blocks = (b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_block(name, body) for name, body in blocks)


def _block(name: bytes, body: bytes) -> bytes:
    checked = name + body
    return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))
