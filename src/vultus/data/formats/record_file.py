"""MXNet's RecordIO files: records found and read without mxnet, and written.

A record is the magic number, a word with 3 bits of flag and 29 bits of length, the data, and zeros
up to a multiple of 4 bytes. Data that contains the magic number at such a multiple is cut there
into parts, without the number itself: the flag is 0 for a whole record, else 1 for the first part,
2 for those between and 3 for the last. So after damage the next record is found by its magic.

The data of an image record is a header (a count of labels, a label, two numbers of which the first
is the record's key), as many more labels as the count says, and the image's file.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vultus.core.errors import ImageError, InputError
from vultus.core.mapped_file import MappedFile
from vultus.data.formats.files import MAX_IMAGE_BYTES

_MAGIC = struct.pack("<I", 0xCED7230A)
_PREFIX = struct.Struct("<4sI")
_HEADER = struct.Struct("<IfQQ")
_LENGTH_BITS = 29
_WHOLE, _FIRST, _BETWEEN, _LAST = range(4)
_MAX_HEAD_LABELS = 2
_MAX_INDEX_LINE = 64


class RecordHead(NamedTuple):
    """What stands before the image in a record.

    Attributes:
        is_list: The labels are a list, as in records that describe others; else a single number.
        labels: The first labels, at most two.
        image_start: Where in the record's data the image's file begins.
        has_image: Anything follows.
    """

    is_list: bool
    labels: tuple[float, ...]
    image_start: int
    has_image: bool


class _Part(NamedTuple):
    flag: int
    start: int
    length: int
    end: int


class RecordFile:
    """Records of a file by the byte at which they begin. It can be pickled.

    Args:
        path: A ``.rec`` file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = MappedFile(path)
        self._begins: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Size in bytes."""
        return len(self._file)

    def keep_apart(self, starts: npt.NDArray[np.int64]) -> None:
        """Let no record reach into the next: else a few bytes could be part of all of them.

        Args:
            starts: (n,) int64, where records begin.
        """
        self._begins = np.sort(starts)

    def scan(self) -> tuple[npt.NDArray[np.int64], int]:
        """Find the records by walking through the file.

        Returns:
            (n,) int64, where each whole record begins; and how often something else had to be
            skipped to get to the next.
        """
        starts: list[int] = []
        damages = at = 0
        broken: set[int] = set()
        while at < len(self._file):
            end = self._whole_until(at, broken)
            if end is None:
                damages += 1
                at = self._next_magic(at + 4)
                continue
            starts.append(at)
            at = end
        return np.array(starts, np.int64), damages

    def read(self, start: int) -> bytes:
        """The data of a record.

        Raises:
            ImageError: If there is no whole record, or it is larger than `MAX_IMAGE_BYTES`.
        """
        parts = self._parts(start)
        return _MAGIC.join(self._file.read(part.start, part.length) for part in parts)

    def head(self, start: int) -> RecordHead:
        """Labels of a record; its image is not read.

        Raises:
            ImageError: If there is no whole record, or it is too short for its header.
        """
        parts = self._parts(start)
        if len(parts) > 1:
            data = self.read(start)
            return self._head(data, len(data), start)
        wanted = min(parts[0].length, _HEADER.size + 4 * _MAX_HEAD_LABELS)
        return self._head(self._file.read(parts[0].start, wanted), parts[0].length, start)

    def image(self, start: int) -> bytes:
        """The image's file in a record.

        Raises:
            ImageError: If there is no whole record, or it holds no image.
        """
        data = self.read(start)
        head = self._head(data, len(data), start)
        if not head.has_image:
            raise ImageError(f"{self.name(start)} holds no image")
        return data[head.image_start :]

    def name(self, start: int) -> str:
        """What messages call a record."""
        return f"{self.path}, the record at byte {start}"

    def _head(self, data: bytes, length: int, start: int) -> RecordHead:
        if length >= _HEADER.size:
            n_labels, label, _, _ = _HEADER.unpack_from(data)
            image_start = _HEADER.size + 4 * n_labels
            if image_start <= length:
                shown = min(n_labels, _MAX_HEAD_LABELS)
                labels = struct.unpack_from(f"<{shown}f", data, _HEADER.size) if shown else (label,)
                return RecordHead(n_labels > 0, labels, image_start, length > image_start)
        raise ImageError(f"{self.name(start)} is too short for its header and labels")

    def _whole_until(self, start: int, broken: set[int]) -> int | None:
        """Where a record ends; None if it is not whole, and then its parts are added to ``broken``.

        Many beginnings can lead to the same parts, so each is tried but once.
        """
        met: list[int] = []
        try:
            for part in self._walk(start):
                if part.start in broken:
                    break
                met.append(part.start)
            else:
                return part.end
        except ImageError:
            pass
        broken.update(met)
        return None

    def _parts(self, start: int) -> list[_Part]:
        return list(self._walk(start))

    def _walk(self, start: int) -> Iterator[_Part]:
        place = int(np.searchsorted(self._begins, start, side="right"))
        limit = int(self._begins[place]) if place < len(self._begins) else None
        part = self._part(start)
        total = part.length
        if part.flag not in (_WHOLE, _FIRST):
            raise ImageError(f"{self.name(start)} is a later part of a record")
        while True:
            if limit is not None and part.end > limit:
                raise ImageError(f"{self.name(start)} reaches into the next, at byte {limit}")
            yield part
            if part.flag in (_WHOLE, _LAST):
                return
            part = self._part(part.end)
            total += part.length + len(_MAGIC)
            if part.flag not in (_BETWEEN, _LAST) or total > MAX_IMAGE_BYTES:
                raise ImageError(f"{self.name(start)} has parts that do not follow each other")

    def _part(self, start: int) -> _Part:
        prefix = self._file.read(start, _PREFIX.size) if start >= 0 else b""
        if len(prefix) < _PREFIX.size or prefix[:4] != _MAGIC:
            raise ImageError(f"{self.name(start)} does not begin with the magic number")
        word = _PREFIX.unpack(prefix)[1]
        flag, length = word >> _LENGTH_BITS, word & ((1 << _LENGTH_BITS) - 1)
        data = start + _PREFIX.size
        if length > MAX_IMAGE_BYTES or data + length > len(self._file):
            raise ImageError(f"{self.name(start)} says that it has {length:,} bytes, more than is")
        return _Part(flag, data, length, data + length + -length % 4)

    def _next_magic(self, start: int) -> int:
        at = self._file.find(_MAGIC, start)
        while at >= 0 and at % 4:
            at = self._file.find(_MAGIC, at + 1)
        return len(self._file) if at < 0 else at


def read_index(path: Path, *, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Read a ``.idx`` file: lines of a key, a tab, and where the record begins.

    Args:
        path: The file.
        size: Bytes of the ``.rec`` file that it belongs to.

    Returns:
        (n,) int64 keys, ascending; (n,) int64, where their records begin.

    Raises:
        InputError: If lines are of another form, a key or a record comes twice, or a record would
            begin beyond the end.
    """
    try:
        # A record takes 8 bytes at least; whatever has more lines than that was not made for it.
        if path.stat().st_size > (size // _PREFIX.size + 1) * _MAX_INDEX_LINE:
            raise InputError(f"{path} is too large for the {size:,} bytes of its record file")
        table = np.loadtxt(path, np.int64, delimiter="\t", ndmin=2, comments=None)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, UserWarning) as error:
        raise InputError(f"{path} must hold lines 'key<tab>byte': {error}") from error
    if table.shape[1:] != (2,) or not len(table):
        raise InputError(f"{path} must hold lines 'key<tab>byte', got {table.shape[-1]} columns")
    keys, starts = table[np.argsort(table[:, 0], kind="stable")].T
    if (np.diff(keys) == 0).any():
        raise InputError(f"{path} names key {keys[:-1][np.diff(keys) == 0][0]} twice")
    first, counts = np.unique(starts, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{path} names the record at byte {first[counts > 1][0]:,} under more than one key"
        )
    if starts.min() < 0 or starts.max() + _PREFIX.size > size:
        raise InputError(
            f"{path} names records up to byte {starts.max():,}, and the record file has only "
            f"{size:,} bytes: it is cut short, or the index is of another; without the index, "
            "the records that are whole can be read"
        )
    return keys, starts


def encode_image_record(label: float | tuple[float, float], *, key: int, image: bytes) -> bytes:
    """The data of an image record; an empty image with two labels for one that describes others."""
    if isinstance(label, tuple):
        return _HEADER.pack(len(label), 0.0, key, 0) + struct.pack("<2f", *label) + image
    return _HEADER.pack(0, label, key, 0) + image


def encode_record(data: bytes) -> bytes:
    """The bytes of a record in the file, cut into parts where the data holds the magic number.

    Raises:
        InputError: If there are more than `MAX_IMAGE_BYTES`, which readers refuse.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise InputError(f"a record must have at most {MAX_IMAGE_BYTES:,} bytes, got {len(data):,}")
    pieces = []
    start = 0
    for at in _aligned_magics(data):
        pieces.append(_encode_part(_BETWEEN if start else _FIRST, data[start:at]))
        start = at + len(_MAGIC)
    pieces.append(_encode_part(_LAST if start else _WHOLE, data[start:]))
    return b"".join(pieces)


def _aligned_magics(data: bytes) -> Iterator[int]:
    at = data.find(_MAGIC)
    while at >= 0:
        if at % 4 == 0:
            yield at
        at = data.find(_MAGIC, at + 1)


def _encode_part(flag: int, data: bytes) -> bytes:
    prefix = _PREFIX.pack(_MAGIC, flag << _LENGTH_BITS | len(data))
    return prefix + data + bytes(-len(data) % 4)
