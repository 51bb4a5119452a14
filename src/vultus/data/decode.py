"""Decodes training images: the same pixels as `vultus.image.io.read_image`, faster.

Plain JPEG and WebP, which training sets are made of, go straight to OpenCV's decoders. Whatever is
special about a file (EXIF, four colours, alpha, a missing end, a large size) takes the careful
way, which also words the errors.
"""

import struct

import cv2
import numpy as np

from vultus.core.errors import ImageError
from vultus.core.faces import Image
from vultus.image.io import read_image

_MAX_SIDE = 4096
_MAX_SEGMENTS = 32

_FRAME_MARKERS = frozenset((0xC0, 0xC1, 0xC2))
"""Baseline, extended and progressive Huffman coding."""

_PLAIN_MARKERS = frozenset((0xC4, 0xDB, 0xDD, 0xE0, 0xFE))
"""Tables, restart interval, JFIF header, comment: what cannot change how the pixels are meant."""


def decode_image(data: bytes, name: str | None = None) -> Image:
    """Decode the bytes of an image file.

    Args:
        data: JPEG, PNG, WebP, BMP, TIFF, GIF or HEIF.
        name: What the message calls the image; None where the caller says it.

    Returns:
        (h, w, 3) uint8 RGB, upright, as `vultus.image.io.read_image` gives it.

    Raises:
        ImageError: If the bytes are no image of these formats, or are damaged or cut short.
    """
    if _is_plain_jpeg(data) or _is_plain_webp(data):
        # The decoder gives the order that it is asked for; changing it later takes a seventh more.
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if decoded is not None:
            return np.asarray(decoded, np.uint8)
    try:
        return read_image(data)
    except ImageError as error:
        if name is None:
            raise
        raise ImageError(f"{name}: {error}") from error


def _is_plain_jpeg(data: bytes) -> bool:
    # Ends with its end marker: OpenCV fills the rest of a file cut short with grey.
    if not (data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")):
        return False
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if at + 10 > len(data) or data[at] != 0xFF:
            return False
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAME_MARKERS:
            bits, height, width, colours = struct.unpack_from(">BHHB", data, at + 4)
            return bits == 8 and colours in (1, 3) and _has_plain_size(width, height)
        if marker not in _PLAIN_MARKERS:
            return False
        at += 2 + length
    return False


def _is_plain_webp(data: bytes) -> bool:
    """Lossy WebP without a feature chunk, which is where alpha, EXIF and animation would be."""
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:16] != b"WEBPVP8 ":
        return False
    width, height = struct.unpack_from("<HH", data, 26)
    return _has_plain_size(width & 0x3FFF, height & 0x3FFF)


def _has_plain_size(width: int, height: int) -> bool:
    return 0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE
