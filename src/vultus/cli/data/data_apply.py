"""`vultus data apply` and `vultus data undo`: what a manifest says, done and taken back."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.output import ExitCode, JsonOption, note, print_json, progress_bar, say
from vultus.core.choices import WRITER_NAMES
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.curation.apply.changes import Changes

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the changed data set goes."""

    to: Annotated[
        Path | None,
        typer.Option(
            help="Write a changed copy here. Default: change the folder in place.",
            metavar="TARGET",
            show_default=False,
        ),
    ] = None
    to_kind: Annotated[str, typer.Option(help=f"Of the copy: auto, {', '.join(WRITER_NAMES)}.")] = (
        "auto"
    )


def apply(
    manifest: Annotated[
        Path, typer.Argument(help="Of `vultus data audit`, actions edited.", metavar="MANIFEST")
    ],
    target: Target,
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
        typer.Option(help="Where the data set is now, if it was moved.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change.")] = False,
    json: JsonOption = False,
) -> int:
    """Do what a manifest says: in place by moving files, which `undo` takes back, or to a copy.

    In place nothing is deleted: what is dropped lies in a folder beside the data set.
    """
    from vultus.curation.apply.apply import apply_in_place, apply_to_copy, read_plan
    from vultus.data.formats.convert import target_kind

    plan = read_plan(manifest, source=source, kinds=_kinds(kinds))
    if dry_run:
        _report("would change", plan.root, _counts(plan.work_out()[1]), json=json)
    elif target.to is not None:
        dataset, changes = plan.work_out()
        kind = target_kind(target.to) if target.to_kind == "auto" else target.to_kind
        with progress_bar() as progress:
            done = apply_to_copy(dataset, changes, target.to, kind=kind, progress=progress)
        counts = {**_counts(changes), "images": done.images, "identities": done.identities}
        _report("written", target.to, counts, json=json)
    else:
        with progress_bar() as progress:
            journal = apply_in_place(plan, progress=progress)
        dropped = sum(move.aside for move in journal.moves)
        counts = {"dropped": dropped, "moved": len(journal.moves) - dropped}
        _report("changed", plan.root, counts, journal=journal.folder, json=json)
    return ExitCode.OK


def undo(
    side: Annotated[
        Path, typer.Argument(help="The folder that `vultus data apply` made.", metavar="FOLDER")
    ],
    json: JsonOption = False,
) -> int:
    """Take back an application, complete or stopped half-way; every file is again where it was."""
    from vultus.curation.apply.apply import undo as undo_application

    with progress_bar() as progress:
        done = undo_application(side, progress=progress)
    if json:
        print_json(
            {"source": str(done.root), "files": done.files, "changed_since": list(done.changed)}
        )
    else:
        say(f"{done.root}: {done.files} files are where they were")
        for name in done.changed[:_SHOWN]:
            note(f"{name} was changed by something else since")
    return ExitCode.BAD_INPUT if done.changed else ExitCode.OK


def _counts(changes: "Changes") -> dict[str, int]:
    """How many images are dropped, and how many change their identity."""
    return {"dropped": len(changes.dropped), "moved": len(changes.moved)}


def _kinds(kinds: list[str] | None) -> frozenset[str] | None:
    from vultus.curation.audit.findings import KINDS

    unknown = sorted(set(kinds or []) - set(KINDS))
    if unknown:
        raise InputError(f"--only must be one of {', '.join(KINDS)}, got {', '.join(unknown)}")
    return frozenset(kinds) if kinds else None


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
