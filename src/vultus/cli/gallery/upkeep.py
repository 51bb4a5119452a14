"""`vultus gallery backup | restore | check | export | erase | expire`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.output import ExitCode, JsonOption, fail, one_line, print_json, say
from vultus.cli.recognise.cache import ForgettingOption, caches_of, say_forgotten
from vultus.gallery.stores.places import shown

if TYPE_CHECKING:
    from vultus.pipeline.face_cache import ForgottenPhotos


def backup(
    file: FileArgument,
    out: Annotated[Path, typer.Argument(help="The copy to make; nothing is replaced.")],
    opener: KeyOptions,
    json: JsonOption = False,
) -> int:
    """Write a whole copy of a gallery while others go on using it; sealed as the gallery is."""
    with opener.open(file) as gallery:
        gallery.backup(out)
        end = gallery.audit.head()
    text = None if end is None else end.to_text()
    if json:
        print_json({"backup": str(out), "audit": text})
    else:
        say(f"{out}: a backup of {shown(file)}, up to audit entry {text}")
    return ExitCode.OK


def restore(
    source: Annotated[Path, typer.Argument(help="A file of `vultus gallery backup`.")],
    file: Annotated[
        Path,
        typer.Argument(help="Where the gallery is to be; nothing is replaced.", metavar="FILE"),
    ],
    opener: KeyOptions,
    erased: Annotated[
        Path | None,
        typer.Option(
            help="A copy of the log of erasures (FILE-erased), if the gallery's folder was lost.",
            metavar="LOG",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Bring a gallery back from a backup, checked, without whoever was erased since.

    Move a damaged gallery away first (FILE, FILE-wal, FILE-shm), and leave FILE-erased where it is.
    """
    from vultus.gallery.upkeep.restoring import restore as bring_back

    done = bring_back(source, file, key=opener.master(), erased=erased, actor=opener.actor)
    if json:
        print_json(done.to_dict())
    else:
        again = f"; {done.erased_again} erased again" if done.erased_again else ""
        say(f"{shown(file)}: {done.people} people restored from {source}{again}")
    return ExitCode.OK


def check(file: FileArgument, opener: KeyOptions, json: JsonOption = False) -> int:
    """Read and open every row of a gallery and its audit log; exit code 2 if anything is wrong."""
    with opener.open(file) as gallery:
        problems, size = gallery.check(), len(gallery)
    if json:
        print_json({"people": size, "problems": problems})
    elif not problems:
        say(f"{shown(file)}: nothing is wrong, {size} people")
    return fail("\n".join(problems)) if problems else ExitCode.OK


def export(
    file: FileArgument,
    name: Annotated[str, typer.Argument(help="Whose.")],
    out: Annotated[Path, typer.Argument(help="The zip to make; nothing is replaced.")],
    opener: KeyOptions,
    json: JsonOption = False,
) -> int:
    """Write everything that is held about a person to a zip."""
    from vultus.gallery.upkeep.disclosure import export_person

    with opener.open(file) as gallery:
        files = export_person(gallery, name, out)
    if json:
        print_json({"person": name, "zip": str(out), "files": files})
    else:
        say(f"{out}: everything about {one_line(name)}, {len(files)} files")
    return ExitCode.OK


def erase(
    file: FileArgument,
    names: Annotated[list[str], typer.Argument(help="Who to erase.")],
    opener: KeyOptions,
    cache: ForgettingOption = None,
    json: JsonOption = False,
) -> int:
    """Erase people, with a receipt each: what is gone, when, and where the audit log says so.

    The cache of `vultus find` forgets the photos that may show them.
    """
    from vultus.pipeline.erasing import erase_people

    with opener.open(file) as gallery:
        done = erase_people(gallery, names, caches=caches_of(cache))
    if json:
        print_json(done.to_dict())
        return ExitCode.OK
    for receipt in done.receipts:
        rows = ", ".join(f"{count} {kind}" for kind, count in receipt.rows.items() if count)
        say(f"{one_line(receipt.identity)}: erased {receipt.erased_at} ({rows})")
        say(f"  audit log: {receipt.audit_position}:{receipt.audit_digest}")
        say(f"  pseudonym there: {receipt.subject}")
        if not receipt.scrubbed:
            say("  a reader is in the way: the last bytes go at the next change or closing")
    say_forgotten(done.caches)
    return ExitCode.OK


def expire(
    file: FileArgument,
    opener: KeyOptions,
    when: Annotated[
        str | None,
        typer.Option(help="Judge by this time (ISO 8601), not by now.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say who it would be; any time will do.")
    ] = False,
    cache: ForgettingOption = None,
    json: JsonOption = False,
) -> int:
    """Erase everybody, and delete every event, whose time to be kept is over, or consent.

    To be run each night. The cache of `vultus find` forgets the photos that may show them.
    """
    from vultus.gallery.upkeep.retention import expire as look
    from vultus.pipeline.erasing import expire_people

    forgotten: tuple[ForgottenPhotos, ...] = ()
    with opener.open(file) as gallery:
        if dry_run:
            done = look(gallery, when=when, dry_run=True)
        else:
            done, forgotten = expire_people(gallery, caches=caches_of(cache), when=when)
    if json:
        told = [{"folder": f.folder, "forgotten": f.forgotten, "left": f.left} for f in forgotten]
        print_json({**done.to_dict(), "caches": told})
        return ExitCode.OK
    verb = "to be erased" if dry_run else "erased"
    events = f", {done.events} events" if done.events else ""
    say(f"{verb}: {len(done.people)} people, {done.items} other items{events}")
    for name in done.people:
        say(f"  {one_line(name)}")
    say_forgotten(forgotten)
    return ExitCode.OK
