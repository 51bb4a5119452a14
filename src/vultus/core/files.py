"""Files and folders that appear whole or not at all, and stay after a power cut."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vultus.core.errors import InputError


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


def write_text(path: Path, text: str) -> None:
    """Write a small UTF-8 text file whole or not at all; a file that is there is replaced.

    Args:
        path: The file.
        text: Its content; lines end as given.

    Raises:
        OSError: If the disk refuses; a file that was there is untouched then.
    """
    part = path.with_name(path.name + ".copy")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk: without it a power cut may undo a rename.

    Does nothing on Windows, which cannot open folders and journals its renames.

    Args:
        folder: The folder.

    Raises:
        OSError: If the disk refuses.
    """
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _to_disk(file: Path) -> None:
    with open(file, "rb+") as stream:
        os.fsync(stream.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
