"""`vultus gallery migrate` and `vultus gallery crops`: bringing a gallery to another model."""

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.options import RecognizerOptions
from vultus.cli.output import (
    ExitCode,
    JsonOption,
    note,
    one_line,
    print_json,
    print_table,
    progress_bar,
    report_note,
    report_skipped,
    say,
)
from vultus.core.errors import InputError
from vultus.gallery.stores.places import shown

if TYPE_CHECKING:
    from vultus.core.embeddings import EmbeddingSpace
    from vultus.gallery.gallery import Gallery
    from vultus.gallery.moving.status import MissingPerson
    from vultus.pipeline.recognizer import Recognizer

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationOptions:
    """What to do; by default the migration is begun or goes on."""

    folder: Annotated[
        Path | None,
        typer.Option(
            help="Enrol photos of people again with the new model: a folder per person.",
            show_default=False,
        ),
    ] = None
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="With --folder: take photos that are unlike the person's others or like somebody "
            "else, too.",
        ),
    ] = False
    status: Annotated[
        bool, typer.Option("--status", help="Only say how far it has come and who is missing.")
    ] = False
    finish: Annotated[
        bool, typer.Option("--finish", help="Switch to the new model, in one step.")
    ] = False
    without_missing: Annotated[
        bool,
        typer.Option(
            "--without-missing",
            help="Switch although people are missing: they stay enrolled, and are not found until "
            "photographed again. Faces that wait for review are deleted.",
        ),
    ] = False
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Give up; the gallery stays as it is.")
    ] = False
    missing: Annotated[
        Path | None,
        typer.Option(help="Write who must be photographed again to a CSV.", show_default=False),
    ] = None

    def __post_init__(self) -> None:
        chosen = [self.status, self.finish, self.cancel]
        if sum(chosen) > 1 or (self.folder is not None and any(chosen)):
            raise InputError("--folder, --status, --finish and --cancel are for one each; give one")
        if self.force and self.folder is None:
            raise InputError("--force is for --folder; give both")
        if self.without_missing and not self.finish:
            raise InputError("--without-missing is for --finish; give both")


def migrate(
    file: FileArgument,
    models: RecognizerOptions,
    opener: KeyOptions,
    what: MigrationOptions,
    json: JsonOption = False,
) -> int:
    """Bring a gallery to another model (--model); it answers with its own until --finish."""
    with opener.open(file) as gallery:
        if what.finish:
            return _finish(gallery, models, what, json=json)
        if what.cancel:
            return _cancel(gallery, json=json)
        if not what.status:
            _go_on(gallery, models, what)
        return _tell(gallery, what.missing, json=json)


def allow_crops(file: FileArgument, opener: KeyOptions, json: JsonOption = False) -> int:
    """Let a gallery keep the aligned crops of whom is enrolled from now on."""
    from vultus.gallery.moving.crops import KeptCrops

    with opener.open(file) as gallery:
        KeptCrops(gallery).allow()
    return _done(
        json, {"keep_crops": True}, f"{shown(file)} keeps the crops of whom is enrolled now"
    )


def forbid_crops(file: FileArgument, opener: KeyOptions, json: JsonOption = False) -> int:
    """Let a gallery keep no crops any more, and erase those that it has."""
    from vultus.gallery.moving.crops import KeptCrops

    with opener.open(file) as gallery:
        erased = KeptCrops(gallery).forbid()
    told = {"keep_crops": False, "erased": erased}
    return _done(json, told, f"{shown(file)} keeps no crops; {erased} erased")


def _go_on(gallery: "Gallery", models: RecognizerOptions, what: MigrationOptions) -> None:
    from vultus.pipeline.migrating import migrate_gallery, photograph_again
    from vultus.pipeline.photos import Skipped

    recognizer, skipped = models.open(), Skipped(on_note=report_note)
    with progress_bar() as progress:
        migrate_gallery(recognizer, gallery, progress=progress)
        if what.folder is not None:
            photograph_again(
                recognizer,
                gallery,
                what.folder,
                present=None if what.force else _of_space(models, gallery.space),
                force=what.force,
                on_error=skipped,
                progress=progress,
            )
    report_skipped(skipped.photos)


def _of_space(models: RecognizerOptions, space: "EmbeddingSpace") -> "Recognizer | None":
    """A recogniser of a space, by its name or as was asked for; None where that is not here."""
    from vultus.core.errors import VultusError

    for name in dict.fromkeys((space.model, models.model)):
        with suppress(VultusError):
            found = dataclasses.replace(models, model=name, calibration=None).open()
            if found.embedder.space == space:
                return found
    return None


def _finish(
    gallery: "Gallery", models: RecognizerOptions, what: MigrationOptions, *, json: bool
) -> int:
    from vultus.gallery.moving.migration import Migration

    migration = Migration(gallery)
    target = migration.target()
    coming = None if target is None else _of_space(models, target.space)
    with progress_bar() as progress:
        done = migration.finish(
            without_missing=what.without_missing,
            # Who is enrolled between the last `migrate` and this: others need not stand still.
            embed=None if coming is None else coming.embedder.embed,
            progress=progress,
        )
    if json:
        print_json(done.to_dict())
        return ExitCode.OK
    say(f"{gallery.location} is of {done.model} now: {done.people} people, {done.photos} photos")
    if done.without:
        say(f"{len(done.without)} people are enrolled without a photo; `--status` lists them")
    note(
        f"note: thresholds are those of {done.model} from now on; a calibration of this site for "
        "the model before says nothing of it, calibrate again"
    )
    return ExitCode.OK


def _cancel(gallery: "Gallery", *, json: bool) -> int:
    from vultus.gallery.moving.migration import Migration

    deleted = Migration(gallery).cancel()
    text = f"{gallery.location} stays with {gallery.space.model}; {deleted} faces deleted"
    return _done(json, {"deleted": deleted, "model": gallery.space.model}, text)


def _tell(gallery: "Gallery", target: Path | None, *, json: bool) -> int:
    from vultus.gallery.moving.migration import Migration
    from vultus.gallery.moving.status import people_without_photos

    status = Migration(gallery).status()
    missing = tuple(people_without_photos(gallery)) if status is None else status.missing
    if target is not None:
        _write_missing(missing, target)
    if json:
        people = [{"identity": who.identity, "external_id": who.external_id} for who in missing]
        idle = {"under_way": False, "model": gallery.space.model, "missing": people}
        print_json(idle if status is None else {"under_way": True, **status.to_dict()})
        return ExitCode.OK
    if status is None:
        say(f"{gallery.location} is of {gallery.space.model}, and no migration is under way")
    else:
        say(
            f"{gallery.location}: from {status.before} to {status.model}, {status.ready} of "
            f"{status.people} people ready, {status.pending} crops to embed, "
            f"{status.reviewed} faces wait for review"
        )
        if status.complete:
            say("everybody is ready: `--finish` switches")
    _show_missing(missing)
    return ExitCode.OK


def _show_missing(missing: "tuple[MissingPerson, ...]") -> None:
    if not missing:
        return
    say(f"to be photographed again: {len(missing)}")
    rows = [
        (one_line(who.identity), one_line(who.external_id or "-"), str(who.n_photos))
        for who in missing[:_SHOWN]
    ]
    print_table(("name", "external id", "photos"), rows)
    if len(missing) > _SHOWN:
        say(f"and {len(missing) - _SHOWN} more; --missing FILE or --json tells all")


def _write_missing(missing: "tuple[MissingPerson, ...]", target: Path) -> None:
    import csv
    from io import StringIO

    from vultus.core.files import write_bytes

    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(("identity", "external_id", "photos"))
    writer.writerows((who.identity, who.external_id or "", who.n_photos) for who in missing)
    write_bytes(target, text.getvalue().encode(), private=True)


def _done(json: bool, told: Mapping[str, object], text: str) -> int:
    if json:
        print_json(told)
    else:
        say(one_line(text))
    return ExitCode.OK
