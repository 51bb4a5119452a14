"""Mirrors: folders of model files, searched by SHA-256, so that any file name will do."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from vultus.models.digest import known_sha256

__all__ = ["find_file"]

_log = logging.getLogger(__name__)


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
