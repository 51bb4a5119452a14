"""How a file takes its place in the store: room for it, right bytes, all on disk, then a rename."""

import errno
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from vultus.core.errors import DigestError, DownloadError, InputError, ModelError, OutputError
from vultus.core.files import writing
from vultus.core.mapped_file import MappedFile
from vultus.core.zip_file import ZipMember, member_chunks, zip_members
from vultus.models.digest import stamp

MAX_FILE_BYTES = 4 << 30
"""More than any model needs: the limit where a card does not know its file's size."""

_SPARE_BYTES = 1 << 20


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


def wrong_digest(target: Path, found: str, sha256: str) -> DigestError:
    """What to raise when other bytes came than were promised; they are not kept."""
    return DigestError(
        f"{target.name} must have SHA-256 {sha256}, got {found}; the file was deleted. "
        "Whoever served it has another file under this name"
    )


def place_copy(chunks: Iterable[bytes], target: Path, *, sha256: str, max_bytes: int) -> None:
    """Copy bytes to ``target`` by way of a file beside it.

    Args:
        chunks: The bytes, piece by piece.
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
        for chunk in chunks:
            copied += len(chunk)
            if copied > max_bytes:
                raise ModelError(f"{target.name} must be at most {max_bytes:,} bytes, got more")
            digest.update(chunk)
            file.write(chunk)
        if digest.hexdigest() != sha256:
            raise wrong_digest(target, digest.hexdigest(), sha256)
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
        members, _ = zip_members(archive)
        info = _find(members, member, archive)
        if info.size > limit:
            raise ModelError(
                f"{archive.name}: {member} must unpack to at most {limit:,} bytes, "
                f"got {info.size:,}"
            )
        check_space(target.parent, info.size)
        chunks = member_chunks(MappedFile(archive), info, max_bytes=limit)
        place_copy(chunks, target, sha256=sha256, max_bytes=limit)
    except OutputError:
        raise
    except InputError as error:
        raise ModelError(f"{archive.name} must be a sound zip file: {error}") from error


def _find(members: list[ZipMember], wanted: str, archive: Path) -> ZipMember:
    last = PurePosixPath(wanted).name
    found = [member for member in members if member.name == wanted] or [
        member for member in members if PurePosixPath(member.name).name == last
    ]
    if len(found) != 1:
        raise ModelError(
            f"{archive.name} must hold {wanted} once, holds {len(found)} of that name "
            f"among {len(members)} files"
        )
    return found[0]
