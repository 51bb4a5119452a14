"""Applies a manifest: to a copy in any format, or in place by moving files, which can be undone."""

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vultus.core.errors import ImageError, InputError
from vultus.curation.apply.changes import Changes
from vultus.curation.apply.journal import (
    Journal,
    Move,
    carry_out,
    check_places,
    read_journal,
    take_back,
    write_journal,
)
from vultus.curation.apply.journal import Watch as WatchMoves
from vultus.data.base import FaceDataset
from vultus.data.formats.convert import Conversion, Watch, convert
from vultus.data.formats.files import FolderFiles
from vultus.data.formats.folder import FolderDataset
from vultus.models.digest import sha256_file

_PlanChanges = Callable[[], tuple[FaceDataset, Changes]]


def apply_to_copy(
    dataset: FaceDataset, changes: Changes, target: Path, *, kind: str, watch: Watch = iter
) -> Conversion:
    """Write the changed data set elsewhere; the original stays as it is.

    Images that cannot be read must have been dropped; others are an error.

    Args:
        dataset: The data set.
        changes: To it.
        target: A new folder or file; it appears when it is complete.
        kind: A name of `vultus.data.formats.writers.WRITERS`.
        watch: Sees the indices go by.

    Raises:
        InputError: If nothing is left, an image cannot be read, or the target cannot be written.
    """
    changed = _ChangedDataset(dataset, changes)
    return convert(changed, target, kind=kind, max_unreadable=0.0, watch=watch)


def side_folder(root: Path, manifest: Path, kinds: frozenset[str] | None) -> Path:
    """Where the files go that leave a data set, and the journal: beside it, by the manifest.

    Raises:
        InputError: If the manifest cannot be read.
    """
    return root.with_name(f"{root.name}.applied-{_made_by(manifest, kinds)[:8]}")


def apply_in_place(
    root: Path,
    manifest: Path,
    plan: _PlanChanges,
    *,
    kinds: frozenset[str] | None = None,
    watch: WatchMoves = iter,
) -> Journal:
    """Move files inside a folder of identities, and out of it into a folder beside it.

    All moves are written down before the first one. If this is stopped, at whatever point, the
    same call goes on, and `undo` takes back what was done; nothing is ever deleted or overwritten.

    Args:
        root: The folder of identities.
        manifest: The file that is applied; with ``kinds`` it names the folder beside.
        plan: Opens the data set and works out the changes; only called for a fresh start.
        kinds: Only findings of these kinds; None for all.
        watch: Sees the moves go by.

    Raises:
        InputError: If the data set is no folder, the manifest was applied already, another
            application was stopped half-way, a file is a link, or the disk refuses.
    """
    root = root.resolve()
    side, made_by = side_folder(root, manifest, kinds), _made_by(manifest, kinds)
    if side.exists():
        journal = read_journal(side)
        if journal.done:
            raise InputError(
                f"{manifest} was applied already; `vultus data undo {side}` takes it back"
            )
    else:
        _refuse_unfinished(root)
        dataset, changes = plan()
        journal = Journal(side, root, made_by, _moves(dataset, changes, root))
        check_places(journal)
        write_journal(journal)
    carry_out(journal, watch=watch)
    return journal


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back.

    Attributes:
        root: The data set.
        files: How many files are back in their places.
        changed: Those whose bytes are not what they were, by path below the root.
    """

    root: Path
    files: int
    changed: tuple[str, ...]


def undo(side: Path, *, watch: WatchMoves = iter) -> Undone:
    """Take back an application, complete or not; every file is again where it was.

    Args:
        side: The folder that `apply_in_place` made.
        watch: Sees the moves go by.

    Raises:
        InputError: If it is no such folder, or files were moved by something else since (nothing is
            moved then).
    """
    journal = read_journal(side)
    take_back(journal, watch=watch)
    changed = tuple(
        move.start
        for move in journal.moves
        if sha256_file(journal.root / move.start) != move.sha256
    )
    return Undone(journal.root, len(journal.moves), changed)


class _ChangedDataset(FaceDataset):
    """The images that stay, with their new identities."""

    def __init__(self, dataset: FaceDataset, changes: Changes) -> None:
        self._dataset = dataset
        self._kept = [i for i in range(len(dataset)) if i not in changes.dropped]
        if not self._kept:
            raise InputError("the manifest drops every image; nothing is left to write")
        created = sorted(set(changes.moved.values()) - set(dataset.identities))
        identities = [*dataset.identities, *created]
        label_of = {name: label for label, name in enumerate(identities)}
        labels = [
            label_of[changes.moved[i]] if i in changes.moved else int(dataset.labels[i])
            for i in self._kept
        ]
        super().__init__(labels, identities=identities)

    def encoded(self, index: int) -> bytes:
        return self._dataset.encoded(self._kept[index])

    def source(self, index: int) -> str:
        return self._dataset.source(self._kept[index])


def _made_by(manifest: Path, kinds: frozenset[str] | None) -> str:
    try:
        digest = sha256_file(manifest)
    except OSError as error:
        raise InputError(f"{manifest} cannot be read: {error.strerror}") from error
    named = "" if kinds is None else " ".join(sorted(kinds))
    return hashlib.sha256(f"{digest} {named}".encode()).hexdigest()


def _refuse_unfinished(root: Path) -> None:
    for other in root.parent.glob(f"{root.name}.applied-*"):
        if other.is_dir() and not read_journal(other).done:
            raise InputError(
                f"an earlier application was stopped half-way: run that one again, or take it back "
                f"by `vultus data undo {other}`"
            )


def _moves(dataset: FaceDataset, changes: Changes, root: Path) -> list[Move]:
    if not isinstance(dataset, FolderDataset) or not isinstance(dataset.files, FolderFiles):
        raise InputError(
            f"only a folder of identities can be changed in place, {root} is something else; "
            "apply to a copy (--to)"
        )
    ends = _Ends(root, changes.names)
    moves = []
    for index in sorted(changes.dropped | set(changes.moved)):
        name = changes.names[index]
        path = root / name
        if path.is_symlink():
            raise InputError(f"{path} is a link; apply to a copy (--to)")
        digest = _digest(path)
        if index in changes.dropped:
            moves.append(Move(name, name, aside=True, sha256=digest))
        else:
            end = ends.free(changes.moved[index], PurePosixPath(name))
            moves.append(Move(name, end, aside=False, sha256=digest))
    return moves


def _digest(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error


class _Ends:
    """Names in other identities that are not taken, whatever the file system makes of case."""

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        self._root = root
        self._taken = {name.casefold() for name in names}

    def free(self, identity: str, name: PurePosixPath) -> str:
        number = 1
        while True:
            mark = "" if number == 1 else f"~{number}"
            end = f"{identity}/{name.stem}{mark}{name.suffix}"
            if end.casefold() not in self._taken and not os.path.lexists(self._root / end):
                self._taken.add(end.casefold())
                return end
            number += 1
