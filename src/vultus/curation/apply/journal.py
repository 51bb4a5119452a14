"""Moves of files that are written down before the first of them, so that they can be taken back."""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from vultus.core.errors import InputError
from vultus.core.files import (
    appearing,
    make_private_folder,
    private_opener,
    sync_folder,
    write_bytes,
)
from vultus.core.plain_values import parse_json_lines, read_text
from vultus.core.progress import Progress, tracked
from vultus.core.settings_reader import read
from vultus.core.text import json_text
from vultus.curation.image_names import is_plain_text
from vultus.image.io import EXTENSIONS

_JOURNAL = "journal.jsonl"
_DONE = "done"
_REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Move:
    """One file that changes its place.

    Attributes:
        start: Path below the root, with ``/``.
        end: Path below the root, or below the journal's folder ``removed`` where ``aside``.
        aside: Whether the file leaves the data set.
        sha256: Of its bytes.
    """

    start: str
    end: str
    aside: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class _Head:
    """The first line of a journal's file."""

    format: Literal["vultus-applied-1"]
    root: str
    made_by: str
    moves: str  # how many


@dataclass(frozen=True, slots=True, eq=False)
class Journal:
    """What an application of a manifest does to a folder.

    Attributes:
        folder: Holds the journal, and the files that leave the data set.
        root: The data set.
        made_by: What it belongs to, in words: the digest of the manifest and the kinds applied.
        moves: All of them; none depends on another.
    """

    folder: Path
    root: Path
    made_by: str
    moves: list[Move]

    @property
    def done(self) -> bool:
        """Whether all moves were made."""
        return (self.folder / _DONE).exists()

    def places(self, move: Move) -> tuple[Path, Path]:
        """Where the file is before and after."""
        end = self.folder / _REMOVED if move.aside else self.root
        return self.root / move.start, end / move.end


def write_journal(journal: Journal) -> None:
    """Make the journal's folder with the whole journal in it, on disk before this returns.

    Raises:
        InputError: If something is there already, or the disk refuses.
    """
    head = _Head("vultus-applied-1", str(journal.root), journal.made_by, str(len(journal.moves)))
    with appearing(journal.folder) as part:
        make_private_folder(part)
        journal_file = part / _JOURNAL
        with open(journal_file, "w", encoding="utf-8", opener=private_opener) as stream:
            for row in (asdict(head), *map(asdict, journal.moves)):
                stream.write(json_text(row) + "\n")
            stream.flush()
            os.fsync(stream.fileno())


def read_journal(folder: str | Path) -> Journal:
    """Read the journal in a folder.

    Raises:
        InputError: If there is none, or it is damaged or names files outside of its data set.
    """
    folder = Path(folder)
    path = folder / _JOURNAL
    if not path.is_file():
        raise InputError(
            f"{folder} must be a folder that `vultus data apply` made, with a {_JOURNAL} in it"
        )
    rows = parse_json_lines(read_text(path, error=InputError), source=str(path), error=InputError)
    if not rows:
        raise InputError(f"{path} is damaged: it is empty")
    head = read(_Head, rows[0][1], source=f"{path}:1", error=InputError)
    if head.moves != str(len(rows) - 1):
        raise InputError(f"{path} is damaged: it must have {head.moves} moves, has {len(rows) - 1}")
    moves = [read(Move, row, source=f"{path}:{line}", error=InputError) for line, row in rows[1:]]
    for move in moves:
        if not (_is_safe(move.start) and _is_safe(move.end)):
            raise InputError(f"{path} names a path that no image of a data set can have: {move!r}")
    return Journal(folder, Path(head.root), head.made_by, moves)


def carry_out(journal: Journal, *, progress: Progress | None = None) -> None:
    """Make the moves that are not made yet.

    Each is one rename, so that after a stop every file is at its start or at its end. Done again,
    it goes on where it was.

    Raises:
        InputError: If a file is in neither place or in both, or the disk refuses; what is moved
            stays moved, and can be taken back.
    """
    check_places(journal)
    folders: set[Path] = set()
    moves = journal.moves
    for move in tracked(moves, "moving", total=len(moves), progress=progress):
        start, end = journal.places(move)
        if os.path.lexists(end):
            continue
        _rename(start, end)
        folders.update((start.parent, end.parent))
    _finish(folders)
    _remove_empty((journal.places(move)[0].parent for move in journal.moves), journal.root)
    write_bytes(journal.folder / _DONE, b"", private=True)


def take_back(journal: Journal, *, progress: Progress | None = None) -> None:
    """Put every file back where it was, then remove the journal's folder.

    It works at any point: also when not all moves were made, and when it was stopped itself.

    Raises:
        InputError: If a file is in neither place or in both (nothing is moved then), or the disk
            refuses.
    """
    check_places(journal)
    folders: set[Path] = set()
    moves = journal.moves
    for move in tracked(moves, "moving back", total=len(moves), progress=progress):
        start, end = journal.places(move)
        if os.path.lexists(start):
            continue
        _rename(end, start)
        folders.update((start.parent, end.parent))
    _finish(folders)
    ends = [journal.places(move)[1].parent for move in journal.moves]
    _remove_empty((end for end in ends if end.is_relative_to(journal.folder)), journal.folder)
    _remove_empty((end for end in ends if end.is_relative_to(journal.root)), journal.root)
    (journal.folder / _DONE).unlink(missing_ok=True)
    (journal.folder / _JOURNAL).unlink()
    if not any(journal.folder.iterdir()):
        journal.folder.rmdir()


def check_places(journal: Journal) -> None:
    """Check that every file is in one of its two places, and no folder on the way is a link.

    Raises:
        InputError: If not.
    """
    root = journal.root.resolve()
    for move in journal.moves:
        start, end = journal.places(move)
        if os.path.lexists(start) == os.path.lexists(end):
            there = "both" if os.path.lexists(end) else "neither"
            raise InputError(
                f"{start} or {end} must exist, one of them, and {there} does; it was moved or "
                "replaced by something else: put it back"
            )
        for path in (start, *(() if move.aside else (end,))):
            parts = PurePosixPath(path.relative_to(journal.root).as_posix()).parent.parts
            if path.parent.exists() and path.parent.resolve() != root.joinpath(*parts):
                raise InputError(f"{path.parent} is reached through a link; apply to a copy (--to)")


def _rename(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source, target)
    except OSError as error:
        raise InputError(
            f"{source} cannot be moved to {target}: {error.strerror}; run the same again to go on, "
            "or `vultus data undo` to take back what was moved"
        ) from error


def _finish(folders: Iterable[Path]) -> None:
    for folder in folders:
        if folder.is_dir():
            sync_folder(folder)


def _remove_empty(folders: Iterable[Path], root: Path) -> None:
    """Remove folders that nothing is left in, and those above them, up to the root."""
    for folder in set(folders):
        current = folder
        while current != root and current.is_relative_to(root):
            try:
                current.rmdir()
            except OSError:
                if current.exists():  # not empty; what is gone already may leave one above empty
                    break
            current = current.parent


def _is_safe(name: Any) -> bool:
    if not isinstance(name, str) or not name or not is_plain_text(name):
        return False
    if os.name == "nt" and set(name) & set("\\:"):
        return False
    path = PurePosixPath(name)
    plain = not path.is_absolute() and not any(part.startswith(".") for part in path.parts)
    return plain and path.suffix.lower() in EXTENSIONS
