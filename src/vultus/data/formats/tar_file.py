"""Tars from outside: where the files in them lie, found by reading the headers once.

Python's ``tarfile`` makes room for as many bytes as a header claims; here nothing is read but
headers, and names of at most 4 KiB.
"""

from collections.abc import Iterator
from typing import NamedTuple

from vultus.core.errors import InputError
from vultus.core.mapped_file import MappedFile

_BLOCK = 512
_MAX_NAME = 4096
_MAX_EXTRA = 1 << 16
_FILES = (b"0", b"\0")
_WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")
_LONG_NAME, _EXTRA, _EXTRA_FOR_ALL = b"L", b"x", b"g"


class TarMember(NamedTuple):
    """A regular file inside a tar.

    Attributes:
        name: With ``/`` between its parts.
        start: Of its content, in bytes from the tar's first.
        size: In bytes.
    """

    name: str
    start: int
    size: int


def tar_members(file: MappedFile) -> Iterator[TarMember]:
    """Find the regular files in a tar; links, devices and folders are passed over.

    Yields:
        Them, in the order of the tar; each lies wholly inside it.

    Raises:
        InputError: If it is no tar, compressed, cut short or damaged, or a name in it leads out.
    """
    at, end = 0, len(file)
    extra: dict[str, str] = {}
    while at + _BLOCK <= end:
        header = file.read(at, _BLOCK)
        if not header.strip(b"\0"):
            return
        _check(file, header, at)
        kind, start = header[156:157], at + _BLOCK
        size = _number(file, extra.get("size", "")) if "size" in extra else _octal(file, header)
        if size > end - start:
            raise InputError(f"{file.path} is cut short or damaged at byte {at:,}")
        if kind in _WITHOUT_CONTENT:
            size = 0
        if kind in (_LONG_NAME, _EXTRA, _EXTRA_FOR_ALL):
            if kind != _EXTRA_FOR_ALL:
                extra |= _extra(file, kind, start, size)
        else:
            name = extra.get("path") or _name(header)
            if kind in _FILES and not name.endswith("/"):
                _check_name(file, name)
                yield TarMember(name, start, size)
            extra = {}
        at = start + size + -size % _BLOCK
    if at == 0:
        raise InputError(f"{file.path} must be a tar, has only {end} bytes")


def _check(file: MappedFile, header: bytes, at: int) -> None:
    said = header[148:156].strip(b" \0")
    found = sum(header) - sum(header[148:156]) + 8 * 0x20
    if not said or set(said) - set(b"01234567") or int(said, 8) != found:
        packed = header[:2] == b"\x1f\x8b" or header[:4] in (b"\x28\xb5\x2f\xfd", b"\xfd7zX")
        hint = "; it is compressed: unpack it first" if packed and not at else ""
        raise InputError(f"{file.path} is no tar, or is damaged at byte {at:,}{hint}")


def _octal(file: MappedFile, header: bytes) -> int:
    field = header[124:136]
    if field[0] & 0x80:  # large sizes are binary
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if set(text) - set(b"01234567"):
        raise InputError(f"{file.path} is damaged: a size in it is no number")
    return int(text or b"0", 8)


def _number(file: MappedFile, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InputError(f"{file.path} is damaged: a size in it is no number")
    return int(text)


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def _extra(file: MappedFile, kind: bytes, start: int, size: int) -> dict[str, str]:
    """The long name that GNU tar writes, or the path and size among what POSIX has."""
    if size > (_MAX_NAME if kind == _LONG_NAME else _MAX_EXTRA):
        raise InputError(f"{file.path} must have names of at most {_MAX_NAME:,} bytes")
    data = file.read(start, size)
    if kind == _LONG_NAME:
        return {"path": data.split(b"\0")[0].decode("utf-8", "surrogateescape")}
    found = {}
    at = 0
    while at < size:
        count = data[at : at + 7].split(b" ")[0]
        length = int(count) if count.isdigit() else 0
        if length <= len(count):
            raise InputError(f"{file.path} is damaged: an extended header has no length")
        key, _, value = data[at + len(count) + 1 : at + length - 1].partition(b"=")
        if key in (b"path", b"size"):
            found[key.decode()] = value.decode("utf-8", "surrogateescape")
        at += length
    return found


def _check_name(file: MappedFile, name: str) -> None:
    if name.startswith("/") or ".." in name.split("/") or "\0" in name or len(name) > _MAX_NAME:
        raise InputError(
            f"{file.path} holds a path that leads out of its folder ({name[:200]!r}); such a tar "
            "is refused"
        )
