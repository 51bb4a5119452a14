"""A sealed snapshot of a gallery's templates, from which a service starts.

A header says whose templates these are and for which position of the log of changes they stand;
then come chunks of rows, ascending by the numbers of their people, each sealed with a key that only
who can open the gallery has, and bound to the header and its place. Who is erased is taken out of
their chunk where it stands. What cannot be opened, as it is damaged, stale, of another version or
sealed with a key that was replaced, is of no use: it is made again from the store.
"""

import os
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from vultus.core.errors import IndexFileError, OutputError
from vultus.core.files import writing
from vultus.gallery.security.sealing import OVERHEAD, seal, unseal
from vultus.search.index import VectorIndex
from vultus.search.index_file import Stamp

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_BINARY = getattr(os, "O_BINARY", 0)
MAGIC = b"VULTSNP\n"
VERSION = 1
ROWS = 4096
"""In a chunk: two megabytes at 128 numbers, opened and sealed again in some milliseconds."""
_HEADER = struct.Struct("<8sIIQq16s8s")
"""Magic, version, dim, rows, position, owner, mark."""
_RANGE = struct.Struct("<qqI")
"""First and last number of a chunk, and how many rows it has."""
_GONE = -1

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Header:
    """What a snapshot says about itself.

    Attributes:
        dim: Length of a vector.
        n: How many rows it has, those included that were taken out since.
        stamp: Whose they are, and for which state they stand.
    """

    dim: int
    n: int
    stamp: Stamp

    def to_bytes(self) -> bytes:
        """As it stands in the file."""
        stamp = self.stamp
        return _HEADER.pack(
            MAGIC, VERSION, self.dim, self.n, stamp.position, stamp.owner, stamp.mark
        )

    @property
    def row_bytes(self) -> int:
        """Bytes of a row before it is sealed."""
        return 8 + 4 * self.dim

    def chunks(self) -> Iterator[tuple[int, int, int]]:
        """Number, place in the file and rows of each chunk."""
        at = _HEADER.size
        for number, first in enumerate(range(0, self.n, ROWS)):
            rows = min(ROWS, self.n - first)
            yield number, at, rows
            at += self.chunk_bytes(rows)

    def chunk_bytes(self, rows: int) -> int:
        """Bytes of a chunk in the file."""
        return _RANGE.size + rows * self.row_bytes + OVERHEAD

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return _HEADER.size + sum(self.chunk_bytes(rows) for _, _, rows in self.chunks())


def write_snapshot(path: Path, index: VectorIndex, cipher: "AESGCM", stamp: Stamp) -> None:
    """Write a snapshot for its owner only; one that is there is replaced when this one is whole.

    Args:
        path: The file.
        index: The templates.
        cipher: Seals them.
        stamp: Whose they are (16 bytes), for which position, and what they add up to (8 bytes).

    Raises:
        OutputError: If it cannot be written.
    """
    ids = np.sort(index.ids)
    header = Header(index.dim, len(ids), stamp)
    with writing(path, private=True) as stream:
        stream.write(header.to_bytes())
        for number, _, rows in header.chunks():
            own = ids[number * ROWS : number * ROWS + rows]
            stream.write(_sealed(header, number, own, index.vectors(own), cipher))


def read_snapshot(
    path: Path, cipher: "AESGCM", *, owner: bytes
) -> tuple[Header, Iterator[tuple[Ids, Vectors]]]:
    """What a snapshot says about itself, and its rows, a chunk at a time.

    Raises:
        IndexFileError: If it is missing, damaged, of another version or gallery; of rows, where
            they are read.
    """
    header = read_header(path, owner=owner)

    def rows() -> Iterator[tuple[Ids, Vectors]]:
        with _opened(path, "rb") as stream:
            for number, at, n in header.chunks():
                _, ids, vectors = _unsealed(stream, path, header, (number, at, n), cipher)
                yield ids[ids != _GONE], vectors[ids != _GONE]

    return header, rows()


def read_header(path: Path, *, owner: bytes) -> Header:
    """What a snapshot says about itself.

    Raises:
        IndexFileError: If it is missing, of another size, version or gallery.
    """
    with _opened(path, "rb") as stream:
        packed = stream.read(_HEADER.size)
        size = os.fstat(stream.fileno()).st_size
    if len(packed) < _HEADER.size or packed[: len(MAGIC)] != MAGIC:
        raise IndexFileError(f"{path} is no snapshot of templates; it must be made again")
    _, version, dim, n, position, found, mark = _HEADER.unpack(packed)
    if version != VERSION:
        raise IndexFileError(f"{path} is of version {version}, and {VERSION} is read here")
    header = Header(dim, n, Stamp(found, position, mark))
    if found != owner:
        raise IndexFileError(f"{path} was made from another gallery; it must be made again")
    # Looked at before its rows are counted: a number that was changed may be any.
    if n > size or header.size != size:
        raise IndexFileError(f"{path} has not the bytes that it must have; it must be made again")
    return header


def take_out(path: Path, cipher: "AESGCM", ids: Collection[int], *, owner: bytes) -> None:
    """Overwrite the rows of some people where they stand; when this returns, that is on disk.

    Killed meanwhile, it leaves a snapshot that is found damaged.

    Args:
        path: The file.
        cipher: As it was sealed with.
        ids: Numbers of people; those who are not in it do not matter.
        owner: As in `read_snapshot`.

    Raises:
        IndexFileError: If it is missing or of no use.
        OutputError: If it cannot be written.
    """
    header, gone = read_header(path, owner=owner), np.array(sorted(ids), np.int64)
    try:
        with _opened(path, "r+b") as stream, _alone(stream):
            for number, at, n in header.chunks():
                stream.seek(at)
                first, last, _ = _RANGE.unpack(stream.read(_RANGE.size))
                if not ((gone >= first) & (gone <= last)).any():
                    continue
                span, own, vectors = _unsealed(stream, path, header, (number, at, n), cipher)
                rows = np.isin(own, gone)
                if not rows.any():
                    continue
                own[rows], vectors[rows] = _GONE, 0
                stream.seek(at)
                stream.write(_sealed(header, number, own, vectors, cipher, span=span))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def _sealed(
    header: Header,
    number: int,
    ids: Ids,
    vectors: Vectors,
    cipher: "AESGCM",
    *,
    span: bytes | None = None,
) -> bytes:
    """A chunk as it stands in the file; ``span`` is its range where rows were taken out of it."""
    told = _RANGE.pack(int(ids[0]), int(ids[-1]), len(ids)) if span is None else span
    data = ids.astype("<i8").tobytes() + vectors.astype("<f4").tobytes()
    return told + seal(cipher, data, _bound_to(header, number, told))


def _unsealed(
    stream: BinaryIO, path: Path, header: Header, place: tuple[int, int, int], cipher: "AESGCM"
) -> tuple[bytes, Ids, Vectors]:
    """The range, the numbers and the vectors of a chunk."""
    number, at, n = place
    stream.seek(at)
    chunk = stream.read(header.chunk_bytes(n))
    told, sealed = chunk[: _RANGE.size], chunk[_RANGE.size :]
    data = unseal(cipher, sealed, _bound_to(header, number, told))
    if data is None:
        raise IndexFileError(
            f"{path} is damaged or was sealed with another key (chunk {number}); it must be made "
            "again"
        )
    ids = np.frombuffer(data, "<i8", n).astype(np.int64)
    vectors = np.frombuffer(data, "<f4", n * header.dim, 8 * n).astype(np.float32)
    return told, ids, vectors.reshape(n, header.dim)


def _bound_to(header: Header, number: int, told: bytes) -> bytes:
    return b"vultus snapshot" + header.to_bytes() + number.to_bytes(8, "big") + told


@contextmanager
def _opened(path: Path, mode: Literal["rb", "r+b"]) -> Iterator[BinaryIO]:
    try:
        descriptor = os.open(path, (os.O_RDWR if "+" in mode else os.O_RDONLY) | _BINARY)
    except OSError as error:
        raise IndexFileError(f"{path} cannot be opened: {error.strerror}") from error
    with open(descriptor, mode) as stream:
        yield stream


@contextmanager
def _alone(stream: BinaryIO) -> Iterator[None]:
    """Another process may take somebody out of the same chunk."""
    if fcntl is not None:
        fcntl.flock(stream, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if fcntl is not None:
            stream.flush()
            fcntl.flock(stream, fcntl.LOCK_UN)
