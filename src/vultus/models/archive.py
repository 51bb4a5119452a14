"""Model files inside zip packs: one named member is read, nothing else is unpacked."""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from vultus.core.errors import ModelError
from vultus.models.placement import MAX_FILE_BYTES, check_space, place_copy

__all__ = ["extract_member"]


def extract_member(
    archive: Path, target: Path, *, member: str, sha256: str, size_bytes: int | None = None
) -> None:
    """Unpack one file of a zip pack to ``target``, checked by its digest.

    Packs differ in whether they hold a folder, so a member in a folder also serves if it is the
    only one with the file name of ``member``.

    Args:
        archive: The zip file.
        target: The file to make.
        member: Name of the file inside the pack.
        sha256: What its bytes must hash to.
        size_bytes: Its length if known; what unpacks to more is refused.

    Raises:
        ModelError: If it is no sound zip file, the member is missing, or the pack plays tricks:
            absolute names, ``..``, links, encryption, more bytes than promised.
        DigestError: If the bytes are wrong.
        DownloadError: If the disk is full.
    """
    limit = MAX_FILE_BYTES if size_bytes is None else size_bytes
    try:
        with zipfile.ZipFile(archive) as pack:
            info = _find(pack, member, archive)
            if info.file_size > limit:
                raise ModelError(
                    f"{archive.name}: {member} must unpack to at most {limit:,} bytes, "
                    f"got {info.file_size:,}"
                )
            check_space(target.parent, info.file_size)
            with pack.open(info) as stream:
                place_copy(cast(BinaryIO, stream), target, sha256=sha256, max_bytes=limit)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ModelError(f"{archive.name} must be a sound zip file: {error}") from error


def _find(pack: zipfile.ZipFile, member: str, archive: Path) -> zipfile.ZipInfo:
    entries = pack.infolist()
    for entry in entries:
        _check_entry(entry, archive)
    wanted = PurePosixPath(member).name
    found = [entry for entry in entries if entry.filename == member] or [
        entry for entry in entries if PurePosixPath(entry.filename).name == wanted
    ]
    if len(found) != 1:
        raise ModelError(
            f"{archive.name} must hold {member} once, holds {len(found)} of that name "
            f"among {len(entries)} files"
        )
    return found[0]


def _check_entry(entry: zipfile.ZipInfo, archive: Path) -> None:
    name = entry.orig_filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if "\0" in name or ":" in name or ".." in parts or name[:1] in ("/", "\\"):
        trick = "a path that leads out of its folder"
    elif stat.S_ISLNK(entry.external_attr >> 16):
        trick = "a link"
    elif entry.flag_bits & 0x1:
        trick = "an encrypted file"
    else:
        return
    raise ModelError(f"{archive.name} holds {trick} ({name!r}); such a pack is refused")
