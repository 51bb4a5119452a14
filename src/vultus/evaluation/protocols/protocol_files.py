"""The files that define a protocol: found where they usually are, read, and told by digests."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from vultus.core.errors import InputError
from vultus.models.digest import sha256_file


def folder_of(root: Path) -> Path:
    """A folder of photos itself, or the folder that a zip or a file of embeddings lies in."""
    return root if root.is_dir() else root.parent


def first_file(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """The first of some folders' files that is there, by any of its names; None if none is."""
    names = list(names)
    found = (folder / name for folder in folders for name in names)
    return next((path for path in found if path.is_file()), None)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, without blanks around them and without empty ones.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a readable text file: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def check_complete(
    place: Path, wanted: Sequence[str], missing: Sequence[str], *, what: str
) -> None:
    """Refuse a file or a folder that lacks some of what a protocol names.

    Args:
        place: The file or the folder.
        wanted: All names.
        missing: Those that are not there.
        what: What they are, with who names them.

    Raises:
        InputError: If there are any; the message counts them and names one.
    """
    if missing:
        raise InputError(
            f"{place} must hold all {len(wanted):,} {what}, it lacks {len(missing):,}, e.g. "
            f"{missing[0]}"
        )


def check_all_there(folder: Path, names: Sequence[str], *, what: str) -> None:
    """`check_complete` of files just where a list has them.

    The folder itself, which may hold a million photos, is not read.

    Raises:
        InputError: If one is not there.
    """
    missing = [name for name in names if not (folder / name).is_file()]
    check_complete(folder, names, missing, what=what)


def digests(files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of protocol files by file name; by path where two have the same name."""
    names = [path.name for path in files]
    unique = len(set(names)) == len(names)
    return {path.name if unique else str(path): sha256_file(path) for path in files}


def archive(root: Path) -> list[Path]:
    """The root where it is a zip, whose digest says which photos were used; else nothing."""
    return [root] if root.is_file() and root.suffix != ".npz" else []


def joint_digest(files: Sequence[Path]) -> str:
    """SHA-256 of many files as one: of their names and digests, sorted."""
    lines = sorted(f"{path.name}\n{sha256_file(path)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
