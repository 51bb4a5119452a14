"""Files and folders that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vultus.core.errors import InputError

__all__ = ["appearing"]


@contextmanager
def appearing(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Write to another name first; the path gets its content when the block ends without error.

    Args:
        path: The file or folder to make.
        replace: Replace a file that is there; a folder is never replaced.

    Yields:
        A path beside it, where nothing is; the block makes a file or a folder there. After an
        error nothing of it stays.

    Raises:
        InputError: If something is at ``path`` and is not to be replaced, its folder does not
            exist, or the disk refuses.
    """
    if path.is_dir() or (path.exists() and not replace):
        raise InputError(f"{path} exists; remove it or choose another name")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to write {path.name} into")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _remove(part)
        yield part
        if part.is_file():
            _to_disk(part)
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from error
    finally:
        _remove(part)


def _to_disk(file: Path) -> None:
    with open(file, "rb+") as stream:
        os.fsync(stream.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
