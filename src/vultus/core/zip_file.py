"""Zips from outside, read member by member: what is damaged or plays tricks ends in one error.

The list of members is read by `zipfile`, the members themselves straight from the mapped file:
`zipfile` would keep a position that threads and forked workers share, and costs as much a member
as decoding a small crop.
"""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from vultus.core.errors import InputError

_CHUNK = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1
_LINK = 0x10000
"""Ours, above the 16 flags of the format."""
_LEADS_OUT = re.compile(r"[/\\]|[A-Za-z]:|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)
_LARGEST = (1 << 63) - 1


class ZipMember(NamedTuple):
    """A file inside a zip, as the zip's list describes it: nothing of it is true for sure.

    Attributes:
        name: With ``/`` between its parts.
        start: Of its local header, in bytes from the zip's first.
        packed_size: In bytes.
        size: In bytes, unpacked.
        crc: CRC-32 of its content.
        method: 0 for stored, 8 for deflated.
        flags: Those of the format, and above them whether it is a link.
    """

    name: str
    start: int
    packed_size: int
    size: int
    crc: int
    method: int
    flags: int


class ByteRanges(Protocol):
    """Bytes that are read at any place, as of `vultus.core.mapped_file.MappedFile`."""

    @property
    def path(self) -> Path:
        """What messages call it."""

    def read(self, start: int, length: int) -> bytes:
        """Bytes ``start`` to ``start + length``; fewer where it ends before."""


def is_zip(path: Path) -> bool:
    """Whether this is a regular file that ends as a zip does."""
    return path.is_file() and zipfile.is_zipfile(path)


def zip_members(path: Path, *, stream: BinaryIO | None = None) -> tuple[list[ZipMember], list[str]]:
    """Read which files are in a zip; none of them is looked at.

    Args:
        path: The zip.
        stream: Where its bytes are, if not there: it can be sought in; the path names it.

    Returns:
        The files, and the names of the folders that are members of their own, without ``/`` in the
        end; both in the order of the zip.

    Raises:
        InputError: If it is no zip, its list is damaged, or a name in it leads out of the zip's
            folder or occurs twice.
    """
    try:
        with zipfile.ZipFile(path if stream is None else stream) as archive:
            infos = archive.infolist()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} holds the name {error.object!r}, which says that it is UTF-8 and is not; "
            "pack the files again"
        ) from error
    except NotImplementedError as error:
        raise InputError(
            f"{path} holds a member that needs a later kind of zip than this reads ({error}); "
            "pack the files again, stored or deflated"
        ) from error
    except (OSError, EOFError, ValueError, struct.error, zipfile.BadZipFile) as error:
        raise InputError(f"{path} must be a zip that is whole: {error}") from error
    seen: set[str] = set()
    for info in infos:
        _check_name(path, info, seen)
    members = [_member(info) for info in infos if not info.is_dir()]
    return members, [info.filename.rstrip("/") for info in infos if info.is_dir()]


def member_chunks(file: ByteRanges, member: ZipMember, *, max_bytes: int) -> Iterator[bytes]:
    """Unpack a member piece by piece; the last piece comes only if all of them were right.

    Args:
        file: The zip.
        member: One of its `zip_members`.
        max_bytes: Refuse what unpacks to more.

    Yields:
        Its content.

    Raises:
        InputError: If it is neither stored nor deflated, encrypted, a link, too large, or damaged.
    """
    name = f"{file.path}/{member.name}"
    known = member.method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if not known or member.flags & (_ENCRYPTED | _LINK):
        raise InputError(f"{name} must be stored or deflated, not encrypted and not a link")
    if max(member.size, member.packed_size) > max_bytes:
        raise InputError(
            f"{name} must have at most {max_bytes:,} bytes, got "
            f"{max(member.size, member.packed_size):,}"
        )
    header = file.read(member.start, _LOCAL_HEADER.size)
    if len(header) != _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
        raise InputError(f"{name} has no header where the zip says it starts")
    _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = member.start + _LOCAL_HEADER.size + name_length + extra_length
    chunks = _chunks(file, start, member.packed_size)
    if member.method == zipfile.ZIP_DEFLATED:
        chunks = _inflated(chunks)
    try:
        yield from _checked(chunks, member, name)
    except zlib.error as error:
        raise InputError(f"{name} is damaged: {error}") from error


def read_member(file: ByteRanges, member: ZipMember, *, max_bytes: int) -> bytes:
    """The whole content of a member.

    Raises:
        InputError: As `member_chunks`.
    """
    return b"".join(member_chunks(file, member, max_bytes=max_bytes))


def _chunks(file: ByteRanges, start: int, size: int) -> Iterator[bytes]:
    for begin in range(start, start + size, _CHUNK):
        yield file.read(begin, min(_CHUNK, start + size - begin))


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """In pieces as well: a megabyte of zeros was a kilobyte."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for packed in chunks:
        rest = packed
        while rest:
            yield inflater.decompress(rest, _CHUNK)
            rest = inflater.unconsumed_tail
    yield inflater.flush()


def _checked(chunks: Iterable[bytes], member: ZipMember, name: str) -> Iterator[bytes]:
    size = crc = 0
    last = b""
    for chunk in chunks:
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
        if size > member.size:
            break
        yield last
        last = chunk
    if size != member.size or crc != member.crc:
        raise InputError(f"{name} is damaged: size or checksum differ")
    yield last


def _check_name(path: Path, info: zipfile.ZipInfo, seen: set[str]) -> None:
    # The name as it is stored: `filename` ends at the first NUL.
    name = info.orig_filename
    if "\0" in name or _LEADS_OUT.match(name):
        raise InputError(
            f"{path} holds a path that leads out of its folder ({name!r}); such a zip is refused"
        )
    if name in seen and not info.is_dir():
        raise InputError(f"{path} holds {name!r} twice; such a zip is refused")
    seen.add(name)


def _member(info: zipfile.ZipInfo) -> ZipMember:
    link = _LINK if stat.S_ISLNK(info.external_attr >> 16) else 0
    # Places and sizes have 64 bits in the file; whatever has no place in 63 is wrong anyway.
    return ZipMember(
        info.filename,
        min(info.header_offset, _LARGEST),
        min(info.compress_size, _LARGEST),
        min(info.file_size, _LARGEST),
        info.CRC,
        info.compress_type,
        info.flag_bits | link,
    )
