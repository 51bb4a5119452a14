"""How a file takes its place in the store: room for it, right bytes, all on disk, then a rename."""

import errno
import hashlib
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from vultus.core.errors import DigestError, DownloadError, ModelError
from vultus.core.files import check_target, sync_folder, writing
from vultus.models.digest import stamp

MAX_FILE_BYTES = 4 << 30
"""More than any model needs: the limit where a card does not know its file's size."""

_SPARE_BYTES = 1 << 20
_CHUNK = 1 << 20


def check_space(folder: Path, needed_bytes: int) -> None:
    """Refuse before writing what cannot fit.

    Raises:
        DownloadError: If the disk has less room than that (and a little to spare).
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + _SPARE_BYTES:
        raise DownloadError(
            f"{folder} must have {needed_bytes:,} bytes free, has {free:,}; make room, or set "
            "VULTUS_HOME to a folder on another disk"
        )


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Turn the system's "no space left" within the block into a `DownloadError` that names it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DownloadError(
            f"the disk of {path.parent} is full; make room and run the same again, or set "
            "VULTUS_HOME to a folder on another disk"
        ) from error


def place(part: Path, target: Path, *, sha256: str) -> None:
    """Check a finished file and give it its name in one step; a wrong one is deleted.

    Args:
        part: The file, in the folder of ``target``.
        target: Its name from now on; never seen half-written, whatever happens.
        sha256: What its bytes must hash to.

    Raises:
        DigestError: If they do not.
    """
    with part.open("rb+") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    try:
        _check_digest(target, found, sha256)
    except DigestError:
        part.unlink()
        raise
    part.replace(check_target(target))
    sync_folder(target.parent)
    stamp(target, sha256)


def _check_digest(target: Path, found: str, sha256: str) -> None:
    if found != sha256:
        raise DigestError(
            f"{target.name} must have SHA-256 {sha256}, got {found}; the file was deleted. "
            "Whoever served it has another file under this name"
        )


def place_copy(source: BinaryIO, target: Path, *, sha256: str, max_bytes: int) -> None:
    """Copy a stream to ``target`` by way of a file beside it.

    Args:
        source: Where the bytes come from.
        target: The file to make.
        sha256: What its bytes must hash to.
        max_bytes: Stop when more than this comes.

    Raises:
        DigestError: If the bytes are wrong.
        ModelError: If there are too many.
        DownloadError: If the disk is full.
    """
    digest, copied = hashlib.sha256(), 0
    with full_disk_named(target), writing(target) as file:
        while chunk := source.read(_CHUNK):
            copied += len(chunk)
            if copied > max_bytes:
                raise ModelError(f"{target.name} must be at most {max_bytes:,} bytes, got more")
            digest.update(chunk)
            file.write(chunk)
        _check_digest(target, digest.hexdigest(), sha256)
    stamp(target, sha256)


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
