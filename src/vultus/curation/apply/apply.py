"""Applies a manifest: to a copy in any format, or in place by moving files, which can be undone."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vultus.core.errors import ImageError, InputError
from vultus.core.progress import Progress
from vultus.curation.apply.changes import Changes, plan_changes
from vultus.curation.apply.journal import (
    Journal,
    Move,
    carry_out,
    check_places,
    read_journal,
    take_back,
    write_journal,
)
from vultus.curation.audit.manifest import Manifest, read_manifest
from vultus.data.base import FaceDataset, open_dataset
from vultus.data.formats.convert import Conversion, convert
from vultus.data.formats.files import FolderFiles
from vultus.data.formats.folder import FolderDataset
from vultus.models.digest import sha256_file


def apply_to_copy(
    dataset: FaceDataset,
    changes: Changes,
    target: Path,
    *,
    kind: str,
    progress: Progress | None = None,
) -> Conversion:
    """Write the changed data set elsewhere; the original stays as it is.

    Images that cannot be read must have been dropped; others are an error.

    Args:
        dataset: The data set.
        changes: To it.
        target: A new folder or file; it appears when it is complete.
        kind: A name of `vultus.data.formats.writers.WRITERS`.
        progress: Told how many images are done.

    Raises:
        InputError: If nothing is left, an image cannot be read, or the target cannot be written.
    """
    changed = _ChangedDataset(dataset, changes)
    return convert(changed, target, kind=kind, max_unreadable=0.0, progress=progress)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A manifest, as far as it is to be applied, and the data set that it is about.

    Attributes:
        path: The manifest's file.
        manifest: What it says.
        root: Where the data set is.
        kinds: Only findings of these kinds; None for all.
    """

    path: Path
    manifest: Manifest
    root: Path
    kinds: frozenset[str] | None = None

    def work_out(self) -> tuple[FaceDataset, Changes]:
        """Open the data set and work out where every image goes; nothing is done yet.

        Raises:
            InputError: If it is no longer the data set that was audited, or as `plan_changes`.
        """
        header = self.manifest.header
        dataset = open_dataset(self.root, header.kind, **header.settings)
        findings = self.manifest.findings
        numbered = any(n.startswith("record-") for f in findings for n in f.images or ())
        if len(dataset) != header.n_images and numbered:
            raise InputError(
                f"{self.root} has {len(dataset):,} images and had {header.n_images:,} when it was "
                "audited, and the manifest knows images by their number; audit it again"
            )
        return dataset, plan_changes(self.manifest, dataset, kinds=self.kinds)


def read_plan(
    manifest: Path, *, source: Path | None = None, kinds: frozenset[str] | None = None
) -> Plan:
    """Read a manifest that is to be applied.

    Args:
        manifest: A file of `vultus data audit`, actions edited.
        source: Where the data set is now; None: where it was when it was audited.
        kinds: Only findings of these kinds; None for all.

    Raises:
        InputError: If it is no manifest.
    """
    read = read_manifest(manifest)
    return Plan(manifest, read, Path(read.header.source) if source is None else source, kinds)


def side_folder(root: Path, manifest: Path, kinds: frozenset[str] | None) -> Path:
    """Where the files go that leave a data set, and the journal: beside it, by the manifest.

    Raises:
        InputError: If the manifest cannot be read.
    """
    return root.with_name(f"{root.name}.applied-{_made_by(manifest, kinds)[:8]}")


def apply_in_place(plan: Plan, *, progress: Progress | None = None) -> Journal:
    """Move files inside a folder of identities, and out of it into a folder beside it.

    All moves are written down before the first one. If this is stopped, at whatever point, the
    same call goes on, and `undo` takes back what was done; nothing is ever deleted or overwritten.

    Args:
        plan: What to apply to what; it is only worked out for a fresh start.
        progress: Told how many moves are done.

    Raises:
        InputError: If the data set is no folder, the manifest was applied already, another
            application was stopped half-way, a file is a link, or the disk refuses.
    """
    root, manifest = plan.root.resolve(), plan.path
    made_by = _made_by(manifest, plan.kinds)
    side = side_folder(root, manifest, plan.kinds)
    if side.exists():
        journal = read_journal(side)
        if journal.done:
            raise InputError(
                f"{manifest} was applied already; `vultus data undo {side}` takes it back"
            )
    else:
        _refuse_unfinished(root)
        dataset, changes = plan.work_out()
        journal = Journal(side, root, made_by, _moves(dataset, changes, root))
        check_places(journal)
        write_journal(journal)
    carry_out(journal, progress=progress)
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


def undo(side: Path, *, progress: Progress | None = None) -> Undone:
    """Take back an application, complete or not; every file is again where it was.

    Args:
        side: The folder that `apply_in_place` made.
        progress: Told how many moves are done.

    Raises:
        InputError: If it is no such folder, or files were moved by something else since (nothing is
            moved then).
    """
    journal = read_journal(side)
    take_back(journal, progress=progress)
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
