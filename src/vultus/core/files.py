"""Files and folders that appear whole or not at all, and stay after a power cut.

Whatever Vultus writes goes through here: to a hidden file of a new name in the same folder, to the
disk, and only then to its name. So a reader never sees half a file, two writers at once do not mix,
and after a kill the old file is still there. What a killed writer leaves is removed by the next one
of that name, an hour later at the earliest.
"""

import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from vultus.core.errors import OutputError

_LINKS = 40
"""More than this many behind each other lead in a circle."""
_KINDS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
_NAMED = 40
_PART = re.compile(r"\.(.{1,40})\.[0-9a-f]{12}\.part", re.DOTALL)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_PRIVATE = 0o600
_PRIVATE_FOLDER = 0o700
_ABANDONED_S = 3600
"""Longer than any writer of ours rests: one that is alive must not lose what it writes."""


@contextmanager
def appearing(path: Path, *, replace: bool = False, private: bool = False) -> Iterator[Path]:
    """Write to another name first; the path gets its content when the block ends without error.

    For who needs a name to write to, or makes a folder; `writing` gives a stream.

    Args:
        path: The file or folder to make. A link is followed: what it leads to is made.
        replace: Replace a regular file that is there, and keep its mode.
        private: The file is for its owner only in the end; `writing` makes it so from the start.

    Yields:
        A path beside it, where nothing is; the block makes a file or a folder there. After an
        error nothing of it stays.

    Raises:
        OutputError: If `check_target` refuses the path, or the disk does.
    """
    target = check_target(path, replace=replace)
    # A part of the name, so that one sees what a killed process left; all of it might be too long.
    part = target.with_name(f".{target.name[:_NAMED]}.{secrets.token_hex(6)}.part")
    _sweep(target)
    try:
        yield part
        if part.is_file():
            _finish(part, _PRIVATE if private else _kind(target))
        part.replace(target)
        sync_folder(target.parent)
    except OutputError:
        raise
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        _remove(part)


@contextmanager
def writing(path: Path, *, replace: bool = True, private: bool = False) -> Iterator[BinaryIO]:
    """Like `appearing`, for one file by a stream.

    Args:
        path: The file; one that is there is replaced when the block ends without error.
        replace: False refuses a file that is there.
        private: The file is for its owner only, from its first byte on.

    Yields:
        The stream; it can be sought in and read again.

    Raises:
        OutputError: As `appearing`.
    """
    with appearing(path, replace=replace, private=private) as part:
        # What replaces another file gets that one's mode in the end, and is closed until then.
        descriptor = os.open(part, _NEW, _PRIVATE if private or path.exists() else 0o666)
        with open(descriptor, "w+b") as stream:
            yield stream


def write_bytes(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file at once; one that is there is replaced.

    Raises:
        OutputError: As `appearing`; a file that was there is untouched then.
    """
    with writing(path, private=private) as stream:
        stream.write(data)


def write_text(path: Path, text: str, *, private: bool = False) -> None:
    """Write a UTF-8 text file at once, with lines that end as given; one that is there is replaced.

    Raises:
        OutputError: As `appearing`; a file that was there is untouched then.
    """
    write_bytes(path, text.encode(), private=private)


def make_private_folder(folder: Path) -> None:
    """Make a folder and those above it, for their owner only; one that is there stays as it is.

    Raises:
        OSError: If the disk refuses, or something else is there.
    """
    if folder.is_dir():
        return
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(_PRIVATE_FOLDER, exist_ok=True)
    folder.mkdir(exist_ok=True)


def private_opener(path: str, flags: int) -> int:
    """``open(..., opener=private_opener)`` makes a file that is for its owner only."""
    return os.open(path, flags, _PRIVATE)


def check_target(path: Path, *, replace: bool = True) -> Path:
    """Refuse a path that cannot be written; asked before long work, it spares the work.

    Args:
        path: What is to be written.
        replace: Whether a regular file that is there may be replaced.

    Returns:
        The path, or what it leads to if it is a link.

    Raises:
        OutputError: If its folder does not exist, or something is there that is not to be
            replaced: a file, or, always, what is no regular file (a folder, pipe, device, socket).
    """
    try:
        streams = _leads_to_a_stream(path)
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        found = _kind(target)
    except OSError as error:
        raise _refused(path, error) from error
    if streams or not (found is None or stat.S_IFMT(found) in _KINDS):
        raise OutputError(
            f"{path} must be a file or a new name, and is a pipe, device or socket, which is never "
            "replaced; choose another name"
        )
    if found is None:
        if not target.parent.is_dir():
            raise OutputError(
                f"{path} cannot be written: there is no folder {target.parent}; make it first"
            )
        return target
    if stat.S_ISLNK(found):
        raise OutputError(f"{path} is a link that leads to itself; choose another name")
    if stat.S_ISDIR(found) or not replace:
        raise OutputError(f"{path} exists; remove it or choose another name")
    return target


def check_folder(path: Path) -> None:
    """Refuse a path that can be no folder to write into, before long work.

    Args:
        path: A folder, or one that will be made with those above it.

    Raises:
        OutputError: If something else is there, or above it.
    """
    for place in (path, *path.parents):
        if os.path.lexists(place):
            if not place.is_dir():
                raise OutputError(
                    f"{path} must be a folder or a new name, and {place} is no folder"
                )
            return


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


def _sweep(target: Path) -> None:
    """Remove what writers of this name left behind when they were killed; never in the way."""
    try:
        for path in _left_behind(target.parent).pop(target.name[:_NAMED], ()):
            if _newest(path) < time.time() - _ABANDONED_S:
                _remove(path)
    except OSError:  # another's, or another sweeper was faster
        return


@lru_cache(maxsize=64)  # else as many writes would read the folder as often
def _left_behind(folder: Path) -> dict[str, list[Path]]:
    """The hidden parts in a folder, by the name that they were to get."""
    found: dict[str, list[Path]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if (name := _PART.fullmatch(entry.name)) is not None:
                found.setdefault(name[1], []).append(Path(entry.path))
    return found


def _newest(path: Path) -> float:
    """When a file, or the last of a folder's, was changed; in seconds since 1970."""
    times = [path.lstat().st_mtime]
    if path.is_dir() and not path.is_symlink():
        times += [_newest(inner) for inner in path.iterdir()]
    return max(times)


def _leads_to_a_stream(path: Path) -> bool:
    """Whether a path is one of the system's names of devices and open files, or a link to one.

    ``/dev/stdout`` leads to whatever file the shell put behind it: a log, perhaps, that is not to
    be replaced by what is written.
    """
    for _ in range(_LINKS):
        place = os.path.abspath(path)
        if place.startswith(("/dev/", "/proc/")):
            return not place.startswith("/dev/shm/")  # noqa: S108 - a folder of files, in memory
        if not path.is_symlink():
            return False
        path = path.parent / path.readlink()
    return False


def _finish(part: Path, mode: int | None) -> None:
    """Give a file its mode, and bring it to the disk."""
    with open(part, "rb+") as stream:
        os.fsync(stream.fileno())
    if mode is not None:
        part.chmod(stat.S_IMODE(mode))


def _kind(path: Path) -> int | None:
    """Kind and mode of what is there; None if nothing is."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _refused(path: Path, error: OSError) -> OutputError:
    told = OutputError(f"{path} cannot be written: {error.strerror or error}")
    told.errno = error.errno
    return told


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
