"""SHA-256 of files, and the stamps that spare hashing a large file at every start."""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from vultus.core.errors import DigestError
from vultus.core.files import write_text

_log = logging.getLogger(__name__)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 lower-case hex digits; reads the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_sha256(path: Path) -> str:
    """Like `sha256_file`, but remembers by path, size and time of change within this process."""
    status = path.stat()
    return _remembered_sha256(path, status.st_size, status.st_mtime_ns)


def check_digest(path: Path, sha256: str) -> None:
    """Read the whole file and compare.

    Raises:
        DigestError: If its bytes are not those of ``sha256``.
    """
    found = sha256_file(path)
    if found != sha256:
        raise DigestError(f"{path} must have SHA-256 {sha256}, got {found}")


def stamp_path(path: Path) -> Path:
    """Where the stamp of a file lies: beside it."""
    return path.with_name(path.name + ".verified")


def stamp(path: Path, sha256: str) -> None:
    """Record that this file, at its present size and time of change, has this digest.

    Where the folder cannot be written (a shared store) there is no record, and the file is read
    again by the next process.
    """
    try:
        write_text(stamp_path(path), json.dumps(_state(path, sha256)))
    except OSError as error:
        _log.debug("no stamp beside %s: %s", path, error)


def delete(path: Path) -> None:
    """Delete a file, if it is there, and its stamp."""
    path.unlink(missing_ok=True)
    stamp_path(path).unlink(missing_ok=True)


def is_stamped(path: Path, sha256: str) -> bool:
    """Whether the file was found to have this digest and has not changed since."""
    try:
        return bool(json.loads(stamp_path(path).read_text("utf-8")) == _state(path, sha256))
    except (OSError, ValueError):
        return False


def _state(path: Path, sha256: str) -> dict[str, str | int]:
    status = path.stat()
    return {"sha256": sha256, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


@lru_cache(maxsize=4096)
def _remembered_sha256(path: Path, size: int, mtime_ns: int) -> str:
    return sha256_file(path)


def find_file(
    folders: Sequence[Path], sha256: str, *, name: str = "", size_bytes: int | None = None
) -> Path | None:
    """Find a file by its digest; sub-folders are searched too, hidden files are not.

    Args:
        folders: The mirrors, searched in this order.
        sha256: The digest, 64 lower-case hex digits.
        name: A file of this name is tried first.
        size_bytes: If known, only files of this length are read.

    Returns:
        The file, whose bytes were read and found right in this process, or None.
    """
    for folder in folders:
        for path in sorted(_files(folder), key=lambda path: (path.name != name, path)):
            try:
                if size_bytes is not None and path.stat().st_size != size_bytes:
                    continue
                if known_sha256(path) == sha256:
                    return path
            except OSError as error:
                _log.warning("mirror: cannot read %s (%s)", path, error)
    return None


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            yield path
