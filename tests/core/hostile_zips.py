"""Zips that lie, made from a good one by changing its bytes."""

import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

_ENTRY = b"PK\x01\x02"

Change = Callable[[bytearray, int], None]
"""Changes the bytes of a zip, given where the entry of a member begins in its list."""


def write_zip(path: Path, members: Iterable[tuple[str, bytes]], *, deflated: bool = True) -> Path:
    """A good zip."""
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return path


def entry_of(data: bytearray, name: str) -> int:
    """Where the entry of a member begins in the list of members."""
    start = data.index(_ENTRY)
    while not data[start + 46 :].startswith(name.encode()):
        start = data.index(_ENTRY, start + 1)
    return start


def change(path: Path, name: str, how: Change) -> Path:
    """Change the bytes of a zip."""
    data = bytearray(path.read_bytes())
    how(data, entry_of(data, name))
    path.write_bytes(data)
    return path


def version_99(data: bytearray, entry: int) -> None:
    """The member needs version 9.9 of the format."""
    struct.pack_into("<H", data, entry + 6, 99)


def no_utf8(data: bytearray, entry: int) -> None:
    """The name says that it is UTF-8, and is not."""
    data[entry + 9] |= 0x08
    data[entry + 46] = 0xFF


def encrypted(data: bytearray, entry: int) -> None:
    """The member says that it is encrypted."""
    data[entry + 8] |= 0x01


def link(data: bytearray, entry: int) -> None:
    """The member is a symbolic link."""
    struct.pack_into("<I", data, entry + 38, 0o120777 << 16)


def smaller(data: bytearray, entry: int) -> None:
    """The member unpacks to more than it says."""
    struct.pack_into("<I", data, entry + 24, 100)


def larger(data: bytearray, entry: int) -> None:
    """The member unpacks to less than it says."""
    (size,) = struct.unpack_from("<I", data, entry + 24)
    struct.pack_into("<I", data, entry + 24, size + 1)


def huge(data: bytearray, entry: int) -> None:
    """The member says that it has almost 4 GiB."""
    struct.pack_into("<I", data, entry + 24, 0xFFFFFFFE)


def elsewhere(data: bytearray, entry: int) -> None:
    """The member begins where nothing is."""
    struct.pack_into("<I", data, entry + 42, len(data) - 10)


def damaged(data: bytearray, entry: int) -> None:
    """A byte of the content is another."""
    (start,) = struct.unpack_from("<I", data, entry + 42)
    name, extra = struct.unpack_from("<HH", data, start + 26)
    (packed,) = struct.unpack_from("<I", data, entry + 20)
    data[start + 30 + name + extra + packed // 2] ^= 0xFF


def unknown_method(data: bytearray, entry: int) -> None:
    """The member is packed with a method that nobody knows."""
    struct.pack_into("<H", data, entry + 10, 77)


def far_offset(data: bytearray, entry: int) -> None:
    """The member begins at 2^64 - 1, by its zip64 field."""
    name, extra = struct.unpack_from("<HH", data, entry + 28)
    struct.pack_into("<I", data, entry + 42, 0xFFFFFFFF)
    field = struct.pack("<HHQ", 1, 8, (1 << 64) - 1)
    struct.pack_into("<H", data, entry + 30, extra + len(field))
    at = entry + 46 + name + extra
    data[at:at] = field
    end = data.rindex(b"PK\x05\x06")
    (size,) = struct.unpack_from("<I", data, end + 12)
    struct.pack_into("<I", data, end + 12, size + len(field))


def cut_list(data: bytearray, entry: int) -> None:
    """The list of members ends in the middle of the member."""
    end = data.rindex(b"PK\x05\x06")
    (size,) = struct.unpack_from("<I", data, end + 12)
    del data[entry + 20 : end]
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<I", data, end + 12, size)


MEMBERS: dict[str, Change] = {
    how.__name__: how
    for how in (
        encrypted, link, smaller, larger, huge, elsewhere, damaged, unknown_method, far_offset,
    )
}  # fmt: skip
"""Lies about one member: the others can be read."""

LISTS: dict[str, Change] = {how.__name__: how for how in (version_99, no_utf8, cut_list)}
"""Lies that make the whole list unreadable."""

NAMES = ("../out.png", "a/../../out.png", "/out.png", "C:/out.png", "\\out.png", "..\\out.png")
"""Names that lead out of the folder."""
