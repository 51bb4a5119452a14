"""`vultus gallery audit`: who did and decided what in a gallery."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.output import (
    CsvOption,
    ExitCode,
    JsonOption,
    fail,
    one_line,
    print_csv,
    print_json,
    print_table,
    progress_bar,
    say,
)
from vultus.core.errors import InputError
from vultus.gallery.stores.places import shown

_CSV = (
    *("position", "at", "actor", "action", "subject", "decision", "similarity", "threshold"),
    *("fpir", "model", "gallery_size", "counts", "digest"),
)


def list_entries(
    file: FileArgument,
    opener: KeyOptions,
    person: Annotated[
        str | None,
        typer.Option(help="Only what is about this person.", metavar="NAME", show_default=False),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            help="The same by pseudonym, as receipts name it, also of who was erased.",
            metavar="PSEUDONYM",
            show_default=False,
        ),
    ] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(help="Only this action; may be given often.", show_default=False),
    ] = None,
    last: Annotated[
        int, typer.Option(help="Look at so many entries at the end; 0 for all.", min=0)
    ] = 100,
    json: JsonOption = False,
    csv: CsvOption = False,
) -> int:
    """List entries of the audit log, the oldest first."""
    if person is not None and subject is not None:
        raise InputError("give --person or --subject, not both")
    with opener.open(file) as gallery:
        if person is not None:
            subject = gallery.opened.subject(gallery.person(person))
        entries = gallery.audit.entries(last=last or None, subject=subject, actions=action or ())
        rows = [logged.to_dict() for logged in entries]
    if json:
        print_json({"entries": rows})
    elif csv:
        print_csv(_CSV, ([_cell(row.get(name)) for name in _CSV] for row in rows))
    else:
        head = ("no", "at", "actor", "action", "about", "decision", "details")
        print_table(head, map(_row, rows))
    return ExitCode.OK


def head(file: FileArgument, opener: KeyOptions, json: JsonOption = False) -> int:
    """Print the end of the audit log, to be kept elsewhere and given to `verify --expect`."""
    with opener.open(file) as gallery:
        end = gallery.audit.head()
    text = None if end is None else end.to_text()
    if json:
        print_json({"head": text})
    else:
        say(text or "the log is empty")
    return ExitCode.OK


def verify(
    file: FileArgument,
    opener: KeyOptions,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            help="A head that was kept elsewhere (POSITION:DIGEST) and must be in the log; may be "
            "given often.",
            metavar="HEAD",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Check that no entry of the audit log was changed, moved, taken out or cut off; 2 if one was.

    Without --expect, an older copy of the whole gallery in its place cannot be told, nor a log
    that somebody wrote anew who can open the gallery.
    """
    from vultus.gallery.security.audit import AuditHead

    heads = [AuditHead.parse(text) for text in expect or ()]
    with opener.open(file) as gallery, progress_bar() as progress:
        verdict = gallery.audit.verify(heads, progress=progress)
    if json:
        print_json(verdict.to_dict())
    elif verdict.sound:
        end = "" if verdict.head is None else f"; the last is {verdict.head.to_text()}"
        say(f"{verdict.n_entries} entries, none of them changed{end}")
    if not verdict.sound:
        return fail(
            f"{shown(file)}: {verdict.message} ({verdict.n_entries} entries before are sound)"
        )
    return ExitCode.OK


def export(
    file: FileArgument,
    out: Annotated[Path, typer.Argument(help="File to make: one entry as JSON per line.")],
    opener: KeyOptions,
    json: JsonOption = False,
) -> int:
    """Write the whole audit log to a file."""
    from vultus.gallery.upkeep.audit_file import write_audit

    with opener.open(file) as gallery:
        count = write_audit(gallery.audit, out)
    if json:
        print_json({"entries": count, "file": str(out)})
    else:
        say(f"{out}: {count} entries")
    return ExitCode.OK


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    more = [
        f"{name.replace('_', ' ')} {entry[name]:.4g}"
        for name in ("similarity", "threshold", "fpir", "gallery_size")
        if name in entry
    ]
    more += [f"{name}: {count}" for name, count in entry.get("counts", {}).items()]
    return (
        str(entry["position"]),
        entry["at"],
        one_line(entry["actor"]),
        entry["action"],
        entry.get("subject", "")[:8],
        entry.get("decision", ""),
        ", ".join(more),
    )


def _cell(value: Any) -> str | float | None:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {count}" for name, count in value.items())
    return value  # type: ignore[no-any-return]
