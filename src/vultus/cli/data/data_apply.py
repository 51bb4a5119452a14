"""`vultus data apply` and `vultus data undo`: what a manifest says, done and taken back."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.data.data_source import kind_of_target, watching
from vultus.cli.output import ExitCode, JsonOption, note, print_json, say
from vultus.core.errors import InputError
from vultus.curation.apply.apply import apply_in_place, apply_to_copy
from vultus.curation.apply.apply import undo as undo_application
from vultus.curation.apply.changes import Changes, plan_changes
from vultus.curation.audit.findings import KINDS
from vultus.curation.audit.manifest import Manifest, read_manifest
from vultus.data.base import FaceDataset, open_dataset
from vultus.data.formats.writers import WRITERS

_SHOWN = 10


def apply(
    manifest: Annotated[
        Path, typer.Argument(help="Of `vultus data audit`, actions edited.", metavar="MANIFEST")
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Write a changed copy here. Default: change the folder in place.",
            metavar="TARGET",
            show_default=False,
        ),
    ] = None,
    target_kind: Annotated[
        str, typer.Option("--to-kind", help=f"Of the copy: auto, {', '.join(WRITERS)}.")
    ] = "auto",
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help="Only findings of this kind; repeat for more.",
            metavar="KIND",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source", help="Where the data set is now, if it was moved.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change.")] = False,
    json: JsonOption = False,
) -> int:
    """Do what a manifest says: in place by moving files, which `undo` takes back, or to a copy.

    In place nothing is deleted: what is dropped lies in a folder beside the data set.
    """
    chosen = _kinds(kinds)
    read = read_manifest(manifest)
    root = Path(read.header.source) if source is None else source

    def plan() -> tuple[FaceDataset, Changes]:
        dataset = _open(read, root)
        return dataset, plan_changes(read, dataset, kinds=chosen)

    if dry_run:
        changes = plan()[1]
        _report("would change", root, changes_of(changes), json=json)
    elif to is not None:
        dataset, changes = plan()
        kind = kind_of_target(to) if target_kind == "auto" else target_kind
        done = apply_to_copy(dataset, changes, to, kind=kind, watch=watching("writing"))
        counts = {**changes_of(changes), "images": done.images, "identities": done.identities}
        _report("written", to, counts, json=json)
    else:
        journal = apply_in_place(root, manifest, plan, kinds=chosen, watch=watching("moving"))
        dropped = sum(move.aside for move in journal.moves)
        counts = {"dropped": dropped, "moved": len(journal.moves) - dropped}
        _report("changed", root, counts, journal=journal.folder, json=json)
    return ExitCode.OK


def undo(
    side: Annotated[
        Path, typer.Argument(help="The folder that `vultus data apply` made.", metavar="FOLDER")
    ],
    json: JsonOption = False,
) -> int:
    """Take back an application, complete or stopped half-way; every file is again where it was."""
    done = undo_application(side, watch=watching("moving back"))
    if json:
        print_json(
            {"source": str(done.root), "files": done.files, "changed_since": list(done.changed)}
        )
    else:
        say(f"{done.root}: {done.files} files are where they were")
        for name in done.changed[:_SHOWN]:
            note(f"{name} was changed by something else since")
    return ExitCode.BAD_INPUT if done.changed else ExitCode.OK


def changes_of(changes: Changes) -> dict[str, int]:
    """How many images are dropped, and how many change their identity."""
    return {"dropped": len(changes.dropped), "moved": len(changes.moved)}


def _kinds(kinds: list[str] | None) -> frozenset[str] | None:
    unknown = sorted(set(kinds or []) - set(KINDS))
    if unknown:
        raise InputError(f"--only must be one of {', '.join(KINDS)}, got {', '.join(unknown)}")
    return frozenset(kinds) if kinds else None


def _open(manifest: Manifest, root: Path) -> FaceDataset:
    header = manifest.header
    dataset = open_dataset(root, header.kind, **header.settings)
    named = all(name.startswith("record-") for f in manifest.findings for name in f.images or ())
    if len(dataset) != header.n_images and named and manifest.findings:
        raise InputError(
            f"{root} has {len(dataset):,} images and had {header.n_images:,} when it was audited, "
            "and the manifest knows images by their number; audit it again"
        )
    return dataset


def _report(
    verb: str, place: Path, counts: dict[str, int], *, json: bool, journal: Path | None = None
) -> None:
    if json:
        where = {} if journal is None else {"undo": str(journal)}
        print_json({"target": str(place), **counts, **where})
        return
    say(f"{place} {verb}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    if journal is not None:
        say(f"`vultus data undo {journal}` takes it back; delete that folder to make it final")
