"""The file of an index: vectors and codes as they lie in memory, checked where they are read.

A page of header, then one array after another, each from a new page on, then a CRC-32 of every
64 KiB of them. The header says whose vectors these are and for which state of theirs they stand; it
never changes. What is read is checked once, before its first use, so that opening reads little more
than which rows are alive. A row is erased where it stands. Other rows are another file, which takes
the name of the old one when it is whole; who has the old one mapped keeps it.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vultus.core.errors import IndexFileError, InputError, OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAGIC = b"VULTIDX\n"
VERSION = 1
PAGE = 4096
BLOCK = 1 << 16
HEADER = struct.Struct("<8sIIQqqB64sB64s")
"""Magic, version, dim, rows, next id, position, and owner and mark, each after its length."""
_CHECKSUM = struct.Struct("<I")
_LONGEST = 64
_PARTS = ("alive", "ids", "groups", "radii", "scales", "codes", "vectors")
_WIPED = ("alive", "radii", "scales", "groups", "codes", "vectors")
"""In this order: who searches meanwhile sees first that the row is gone."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """For what the vectors of a file stand.

    Attributes:
        owner: Whose they are; up to 64 bytes.
        position: State of the owner.
        mark: Up to 64 bytes that nobody else has at that position, e.g. a digest of its history.
    """

    owner: bytes
    position: int
    mark: bytes = b""

    def __post_init__(self) -> None:
        for name in ("owner", "mark"):
            if len(getattr(self, name)) > _LONGEST:
                raise InputError(f"{name} must have at most {_LONGEST} bytes")


class Part(NamedTuple):
    """One array of the file.

    Attributes:
        start: Its first byte.
        dtype: Of its numbers.
        shape: Rows first.
        row_bytes: Bytes of a row.
        checksums: First byte of its checksums.
        n_blocks: How many there are.
    """

    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    row_bytes: int
    checksums: int
    n_blocks: int

    def block(self, number: int) -> slice:
        """Where a block lies in the file."""
        start = self.start + number * BLOCK
        return slice(start, min(start + BLOCK, self.start + self.shape[0] * self.row_bytes))

    def blocks_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The blocks that some rows lie in, ascending."""
        first, last = rows * self.row_bytes // BLOCK, ((rows + 1) * self.row_bytes - 1) // BLOCK
        most = int((last - first).max(initial=0))
        every = np.minimum(first[:, None] + np.arange(most + 1), last[:, None])
        return np.unique(every)


class Layout(NamedTuple):
    """Where everything lies in a file of ``n`` rows.

    Attributes:
        parts: Name -> array.
        size: Bytes of the file.
    """

    parts: dict[str, Part]
    size: int


def layout(n: int, dim: int) -> Layout:
    """The layout of a file of n rows."""
    kinds: dict[str, tuple[Any, tuple[int, ...]]] = {
        "alive": (np.bool_, ()), "ids": ("<i8", ()), "groups": ("<i8", ()), "radii": ("<f4", ()),
        "scales": ("<f4", ()), "codes": (np.int8, (dim,)), "vectors": ("<f4", (dim,)),
    }  # fmt: skip
    start, places = PAGE, {}
    for name in _PARTS:
        dtype, row = np.dtype(kinds[name][0]), kinds[name][1]
        row_bytes = dtype.itemsize * int(np.prod(row, dtype=np.int64))
        places[name] = (start, dtype, (n, *row), row_bytes)
        start += -(-n * row_bytes // PAGE) * PAGE
    parts = {}
    for name, place in places.items():
        n_blocks = -(-n * place[3] // BLOCK)
        parts[name] = Part(*place, start, n_blocks)
        start += n_blocks * _CHECKSUM.size
    return Layout(parts, start)


def header(n: int, dim: int, next_id: int, stamp: Stamp) -> bytes:
    """The first page."""
    own = (len(stamp.owner), stamp.owner, len(stamp.mark), stamp.mark)
    packed = HEADER.pack(MAGIC, VERSION, dim, n, next_id, stamp.position, *own)
    return (packed + _CHECKSUM.pack(zlib.crc32(packed))).ljust(PAGE, b"\0")


class IndexFile:
    """A file of vectors, mapped into memory; several processes may have it open.

    Every array comes read-only, and what was asked for of it was checked against its checksums.

    Args:
        path: The file.
        owner: Whose vectors are expected; None takes any.

    Attributes:
        path: The file.
        dim: Length of a vector.
        next_id: A number above all that were ever in the index.
        stamp: For what the vectors stand.
        alive: (n,) bool, the rows that were not erased; another process may erase more.

    Raises:
        IndexFileError: If the file is missing, damaged, somebody else's, or of another version. It
            is of no use then, and must be made again from what it was made from.
    """

    def __init__(self, path: Path, *, owner: bytes | None = None) -> None:
        self.path = path
        self._lock = Lock()
        self._descriptor, self.writable = _opened(path)
        try:
            self._map = self._mapped()
            self.dim, n, self.next_id, self.stamp = self._header()
            if owner is not None and self.stamp.owner != owner:
                raise self._useless("was made from another gallery")
            self._layout = layout(n, self.dim)
            if len(self._map) != self._layout.size:
                raise self._useless(f"must have {self._layout.size} bytes and has {len(self._map)}")
            self._arrays = {name: self._array(part) for name, part in self._layout.parts.items()}
            self._unchecked = {
                name: np.ones(part.n_blocks, np.bool_) for name, part in self._layout.parts.items()
            }
            self._complete: set[str] = set()
            self.alive: npt.NDArray[np.bool_] = self.read("alive")
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._arrays["alive"])

    def __enter__(self) -> "IndexFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; arrays that are in use stay readable. Closing twice is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self, name: str, rows: npt.NDArray[np.int64] | None = None) -> npt.NDArray[Any]:
        """One of the arrays.

        Args:
            name: ``"ids"``, ``"groups"``, ``"radii"``, ``"scales"``, ``"codes"`` or ``"vectors"``.
            rows: The rows that will be read; None for all.

        Raises:
            IndexFileError: If what these rows lie in is damaged.
        """
        if name in self._complete:
            return self._arrays[name]
        part, unchecked = self._layout.parts[name], self._unchecked[name]
        blocks = np.flatnonzero(unchecked) if rows is None else part.blocks_of(rows)
        for number in blocks[unchecked[blocks]].tolist():
            if not self._matches(part, number):
                self._look_again(name, part, number)
            unchecked[number] = False
        if rows is None:
            self._complete.add(name)
        return self._arrays[name]

    def erase(self, rows: npt.NDArray[np.int64]) -> None:
        """Overwrite rows where they stand; when this returns, that is on disk.

        Killed meanwhile, it leaves a file that `read` finds damaged.

        Args:
            rows: Row numbers; those that are erased already stay so.

        Raises:
            OutputError: If the file may not be written, or the disk refuses.
            IndexFileError: If what these rows lie in is damaged; nothing is written then.
        """
        left = [self._arrays[name][rows] for name in ("vectors", "codes")]
        rows = rows[self.alive[rows] | left[0].any(axis=1) | left[1].any(axis=1)]
        if not len(rows):
            return
        if not self.writable:
            raise OutputError(f"{self.path} cannot be written: rows of it must be erased")
        for name in _WIPED:  # a new checksum must not make good what was damaged before
            self.read(name, rows)
        with self._locked():
            for name in _WIPED:
                self._wipe(self._layout.parts[name], rows, nan=name == "radii")
            for name in _WIPED:
                part = self._layout.parts[name]
                for number in part.blocks_of(rows).tolist():
                    at = part.checksums + number * _CHECKSUM.size
                    self._map[at : at + _CHECKSUM.size] = self._checksum(part, number)
            try:
                self._map.flush()
                os.fsync(self._descriptor)
            except OSError as error:
                raise OutputError(f"{self.path} cannot be written: {error.strerror}") from error

    def is_current(self) -> bool:
        """Whether the path still leads to this file, not to one that took its name."""
        try:
            there, own = os.stat(self.path), os.fstat(self._descriptor)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)

    def _wipe(self, part: Part, rows: npt.NDArray[np.int64], *, nan: bool) -> None:
        bytes_ = np.float32(np.nan).tobytes() if nan else bytes(part.row_bytes)
        for row in rows.tolist():
            at = part.start + row * part.row_bytes
            self._map[at : at + part.row_bytes] = bytes_

    def _checksum(self, part: Part, number: int) -> bytes:
        with memoryview(self._map) as view, view[part.block(number)] as block:
            return _CHECKSUM.pack(zlib.crc32(block))

    def _matches(self, part: Part, number: int) -> bool:
        at = part.checksums + number * _CHECKSUM.size
        return self._map[at : at + _CHECKSUM.size] == self._checksum(part, number)

    def _look_again(self, name: str, part: Part, number: int) -> None:
        """Who erases a row writes data, then checksums: wait until that is done."""
        with self._locked(shared=True):
            if not self._matches(part, number):
                raise self._useless(f"is damaged ({name}, block {number})")

    @contextmanager
    def _locked(self, *, shared: bool = False) -> Iterator[None]:
        with self._lock:
            if fcntl is not None:
                fcntl.flock(self._descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            try:
                yield
            finally:
                if fcntl is not None:
                    fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _mapped(self) -> mmap.mmap:
        access = mmap.ACCESS_WRITE if self.writable else mmap.ACCESS_READ
        try:
            return mmap.mmap(self._descriptor, 0, access=access)
        except (OSError, ValueError) as error:  # ValueError: it is empty
            raise self._useless(f"cannot be read: {error}") from error

    def _header(self) -> tuple[int, int, int, Stamp]:
        packed = self._map[: HEADER.size]
        checksum = self._map[HEADER.size : HEADER.size + _CHECKSUM.size]
        if packed[: len(MAGIC)] != MAGIC:
            raise self._useless("is no file of an index")
        if checksum != _CHECKSUM.pack(zlib.crc32(packed)):
            raise self._useless("is damaged (header)")
        _, version, dim, n, next_id, position, n_owner, owner, n_mark, mark = HEADER.unpack(packed)
        if version != VERSION:
            raise self._useless(f"is of version {version}, and {VERSION} is read here")
        return dim, n, next_id, Stamp(owner[:n_owner], position, mark[:n_mark])

    def _array(self, part: Part) -> npt.NDArray[Any]:
        if not part.n_blocks:
            return np.empty(part.shape, part.dtype)
        array: npt.NDArray[Any] = np.ndarray(part.shape, part.dtype, self._map, part.start)
        array.flags.writeable = False
        return array

    def _useless(self, why: str) -> IndexFileError:
        return IndexFileError(f"{self.path} {why}; it must be made again")


def _opened(path: Path) -> tuple[int, bool]:
    """A descriptor, and whether it can be written to."""
    binary = getattr(os, "O_BINARY", 0)
    with suppress(PermissionError, OSError):
        return os.open(path, os.O_RDWR | binary), True
    try:
        return os.open(path, os.O_RDONLY | binary), False
    except OSError as error:
        raise IndexFileError(f"{path} cannot be opened: {error.strerror}") from error
