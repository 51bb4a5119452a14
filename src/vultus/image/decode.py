"""Opens untrusted image files: known formats only, size checked before any pixel is decoded.

Decoders see hostile input here, so the order matters: magic bytes, then the header's width and
height against the cap, then pixels. Whatever a decoder throws leaves as one `ImageError`.
"""

import importlib
import logging
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from PIL import Image as PilImage
from PIL import UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from vultus.core.errors import ImageError
from vultus.core.notices import give_notice
from vultus.core.text import install_hint

logger = logging.getLogger(__name__)

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""Pillow's names of the formats that are accepted; HEIF comes on top with the extra ``heif``. MPO,
what cameras with two lenses write, is a JPEG with more behind it."""

EXIF_ORIENTATION = "vultus_exif_orientation"
"""Key in a picture's ``info``: the orientation by EXIF where a HEIF file says it there alone."""

_ADVICE = "convert it to JPEG, PNG, WebP, BMP, TIFF or GIF"
_BYTES_PER_PIXEL = 8
_HEADER_BYTES = 64
_JPEG_END = b"\xff\xd9"
_JPEG_NOISE = bytes((i * 89 + 181) % 251 for i in range(512))  # no 0xff, which begins a marker
_GIF_BEFORE_PICTURE = 1 << 20
_HEIF_BOXES_BYTES = 1 << 18  # the boxes about the picture come before its data
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_LOOKS_LIKE = (
    (b"%PDF", "a PDF"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"PK\x03\x04", "a zip archive"),
)

# Pillow's decoders raise nearly every builtin kind on damaged input. All are listed rather than
# caught as Exception, so that what is not about the data (an interrupt, an exit) passes through.
_DECODER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError,
    MemoryError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, Warning,
    struct.error, zlib.error,
)  # fmt: skip


class _QuietPillow:
    """Keeps Pillow's warnings in while any thread decodes.

    `warnings.catch_warnings` alone is not safe here: of two threads that overlap, the second to
    leave would put the first one's filters back for good. So the first in sets, the last resets.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved: warnings.catch_warnings[None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)(\.|$)")

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._saved is not None:
                self._saved.__exit__(None, None, None)
                self._saved = None


_QUIET_PILLOW = _QuietPillow()


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one `ImageError`, and keep its warnings in.

    Args:
        name: What the message calls the image.

    Raises:
        ImageError: In place of the decoder's error, which stays as its cause.
    """
    try:
        with _QUIET_PILLOW:
            yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name} needs more memory to decode than there is") from error
    except PilImage.DecompressionBombError as error:
        limit = 2 * (PilImage.MAX_IMAGE_PIXELS or 0)
        raise ImageError(
            f"{name} has more than the {limit:,} pixels that Pillow opens "
            "(twice PIL.Image.MAX_IMAGE_PIXELS); shrink it"
        ) from error
    except _DECODER_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name} is damaged and cannot be decoded: {reason}") from error


def open_image(stream: BinaryIO, name: str, *, max_pixels: int) -> PilImage.Image:
    """Open an image up to its header; no pixel is decoded.

    Args:
        stream: A seekable binary stream, read from its start.
        name: What messages call the image.
        max_pixels: Refuse more than this many pixels.

    Returns:
        The opened image; `load_pixels` decodes it.

    Raises:
        ImageError: If it is empty, of no accepted format, damaged, or larger than the cap.
    """
    with decoding(name):
        size = stream.seek(0, 2)
        stream.seek(0)
        header = stream.read(_HEADER_BYTES)
        stream.seek(0)
    if size == 0:
        raise ImageError(f"{name} is empty (0 bytes)")
    if size > most_bytes(max_pixels):
        raise ImageError(
            f"{name} has {size:,} bytes, more than an image of {max_pixels:,} pixels can need"
        )
    if header.startswith(b"GIF8"):
        _check_gif(stream, name)
    try:
        with decoding(name):
            opened = (
                _open_heif(stream, name)
                if is_heif(header)
                else PilImage.open(stream, formats=_FORMATS)
            )
    except ImageError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            raise ImageError(f"{name} {_what_it_is(header)}; {_ADVICE}") from error.__cause__
        raise
    check_pixel_count(opened.size, name, max_pixels=max_pixels)
    return opened


def is_heif(header: bytes) -> bool:
    """Whether a file begins as a HEIF image."""
    return header[4:8] == b"ftyp" and header[8:12] in _HEIF_BRANDS


def most_bytes(max_pixels: int) -> int:
    """The length of the longest file that so many pixels can need."""
    return max_pixels * _BYTES_PER_PIXEL + (1 << 24)


def load_pixels(opened: PilImage.Image, name: str, *, max_pixels: int) -> None:
    """Decode the pixels of an opened image in place.

    Raises:
        ImageError: If the data is damaged or truncated, or turns out larger than its header said.
    """
    with decoding(name):
        if isinstance(opened, JpegImageFile):
            _load_jpeg(opened, name)
        else:
            opened.load()
    check_pixel_count(opened.size, name, max_pixels=max_pixels)


class _CutJpeg:
    """Feeds a decoder; where the file ends without the end marker, gives it one.

    Args:
        stream: The file.
        padding: Bytes to give before the marker.
    """

    def __init__(self, stream: BinaryIO, padding: bytes = b"") -> None:
        self._stream = stream
        self._end = padding + _JPEG_END
        self.cut = False

    def read(self, count: int) -> bytes:
        """The next bytes of the file, or of its missing end."""
        data = self._stream.read(count)
        if data:
            return data
        self.cut = True
        return self._end


def _load_jpeg(opened: JpegImageFile, name: str) -> None:
    """Decode a JPEG; one whose data is complete may lack its end marker (copies cut short do)."""
    stream = cast(BinaryIO, opened.fp)
    feed = _CutJpeg(stream)
    opened.load_read = feed.read  # type: ignore[assignment]
    opened.load()
    if not feed.cut:
        return
    # Decoders fill what is missing in silence. Where every pixel is there, it makes no difference
    # what stands between the data and the marker; else some pixels are made of it.
    stream.seek(0)
    noise = _noise_behind(stream.read())
    stream.seek(0)
    with PilImage.open(stream, formats=("JPEG",)) as again:
        again.load_read = _CutJpeg(stream, noise).read  # type: ignore[attr-defined]
        if again.tobytes() != opened.tobytes():
            raise OSError("image file is truncated")
    text = "lacks its end, and all of its pixels are there"
    give_notice(logger, f"{name} {text}", logged=f"an image {text}")


def _noise_behind(data: bytes) -> bytes:
    """Bytes that give pixels of their own wherever some of a JPEG's are missing.

    Some files have marks from which a decoder starts again; it fills what it misses up to the end
    in silence if the next one does not come. So each is given that could be next, with noise.
    """
    escape = b"\0" if data.endswith(b"\xff") else b""  # else the noise would be a marker
    last = max(range(8), key=lambda number: data.rfind(bytes((0xFF, 0xD0 + number))))
    seen = data.rfind(bytes((0xFF, 0xD0 + last))) >= 0
    following = last + 1 if seen else 0
    marks = (bytes((0xFF, 0xD0 + (following + step) % 8)) for step in range(8))
    return escape + _JPEG_NOISE + b"".join(mark + _JPEG_NOISE for mark in marks)


def check_pixel_count(size_wh: tuple[int, int], name: str, *, max_pixels: int) -> None:
    """Check width and height before anything of that size is allocated.

    Raises:
        ImageError: If there is no pixel, or there are more than ``max_pixels``.
    """
    width, height = size_wh
    if width < 1 or height < 1:
        raise ImageError(f"{name} has no pixels ({width} x {height})")
    if width * height > max_pixels:
        raise ImageError(
            f"{name} has {width} x {height} = {width * height:,} pixels, the cap is "
            f"{max_pixels:,}; shrink it, or pass a larger max_pixels if you trust its source"
        )


def _open_heif(stream: BinaryIO, name: str) -> PilImage.Image:
    # Imported here because it is optional; its class is used directly, so that Pillow's global
    # list of formats stays as the application left it.
    try:
        plugin = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise ImageError(
            f"{name} is a HEIF image, and reading those needs an optional package: "
            f"{install_hint('heif')}, or {_ADVICE}"
        ) from error
    turned = _is_turned_heif(stream)
    opened: PilImage.Image = plugin.HeifImageFile(stream, name)
    if not turned:
        # The plugin takes EXIF's word away, as the standard has it; but some writers have no other.
        opened.info[EXIF_ORIENTATION] = opened.info.get("original_orientation")
    return opened


def _is_turned_heif(stream: BinaryIO) -> bool:
    """Whether a HEIF file says itself how its picture is turned or mirrored, by box."""
    stream.seek(0)
    boxes = stream.read(_HEIF_BOXES_BYTES)
    stream.seek(0)
    end = boxes.find(b"mdat")
    boxes = boxes if end < 0 else boxes[:end]
    return b"irot" in boxes or b"imir" in boxes


def _check_gif(stream: BinaryIO, name: str) -> None:
    """Refuse a GIF with too much before its first picture: Pillow copies it once for every part."""
    flags = (stream.read(13) + bytes(13))[10]
    stream.seek(6 << (flags & 7) if flags & 0x80 else 0, 1)  # three bytes a colour
    while stream.read(1) == b"\x21":
        stream.seek(1, 1)
        while length := (stream.read(1) or b"\0")[0]:
            stream.seek(length, 1)
        if stream.tell() > _GIF_BEFORE_PICTURE:
            raise ImageError(
                f"{name} has more than {_GIF_BEFORE_PICTURE:,} bytes before its picture; {_ADVICE}"
            )
    stream.seek(0)


def _what_it_is(header: bytes) -> str:
    for magic, kind in _LOOKS_LIKE:
        if header.startswith(magic):
            return f"is {kind}, which is not accepted"
    if header[4:8] == b"ftyp":
        return "is an AVIF image or a video, which is not accepted"
    if re.fullmatch(rb"[\t\n\r\x20-\x7e]+", header):
        return "is text, not an image"
    return "is not an image of an accepted format, or its header is damaged"
