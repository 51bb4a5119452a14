"""`vultus gallery`: enrolled people in one local file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.gallery.details import DetailOptions
from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.options import FpirOptions, PhotosArgument, RecognizerOptions, SelectOption
from vultus.cli.output import (
    CsvOption,
    ExitCode,
    JsonOption,
    ReportOptions,
    one_line,
    print_csv,
    print_json,
    print_table,
    progress_bar,
    report_enrolled,
    report_note,
    say,
)
from vultus.cli.recognise.cache import ForgettingOption, caches_of
from vultus.cli.recognise.identify import AnswerOptions, named_faces, print_faces
from vultus.core.choices import DEFAULT_SELECT
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.pipeline.photos import Skipped


def enroll(
    file: FileArgument,
    photos: PhotosArgument,
    models: RecognizerOptions,
    opener: KeyOptions,
    report: ReportOptions,
    noted: DetailOptions,
    name: Annotated[
        str | None,
        typer.Option(help="Who it is; without, give a folder with a folder per person."),
    ] = None,
    select: SelectOption = DEFAULT_SELECT,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Take photos that look like somebody else, or unlike the person's others, too.",
        ),
    ] = False,
) -> int:
    """Enrol one person from photos, or many from a folder of folders; makes FILE when needed."""
    from vultus.pipeline.enrolment import enroll_folder, size_note
    from vultus.pipeline.photos import Skipped

    details = noted.details()
    if (force or details is not None) and name is None:
        raise InputError(
            "--force, --group and what else is noted are for one person at a time; give --name"
        )
    paths = _looked_for(photos, of_one=name is not None)
    recognizer, skipped = models.open(), Skipped(on_note=report_note)
    enrolled: dict[str, int] = {}
    with opener.open_or_make(file, recognizer) as gallery, progress_bar() as progress:
        if name is not None:
            if (crowd := size_note(recognizer, gallery, {name: len(paths)})) is not None:
                skipped.note(crowd)
            enrolled[name] = recognizer.enroll(
                gallery,
                name,
                paths,
                select=select,
                on_error=skipped,
                details=details,
                force=force,
            )
        for folder in () if name is not None else map(Path, photos):
            enrolled |= enroll_folder(
                recognizer, gallery, folder, on_error=skipped, select=select, progress=progress
            )
    return _report(enrolled, skipped, report)


def _looked_for(photos: Sequence[str], *, of_one: bool) -> list[Path]:
    """The photos of one person; what is not there is told before a gallery is made.

    Raises:
        InputError: If there are no such photos, or no such folder with a folder per person.
    """
    from vultus.image.io import list_images
    from vultus.pipeline.enrolment import people_of_folder
    from vultus.pipeline.photos import Skipped

    if of_one:
        return list_images(photos)
    for folder in photos:
        people_of_folder(folder, on_error=Skipped())
    return []


def _report(enrolled: dict[str, int], skipped: "Skipped", report: ReportOptions) -> int:
    if report.json:
        notes = [told.to_dict() for told in skipped.notes]
        print_json(
            {
                "enrolled": enrolled,
                "skipped": skipped.photos,
                "left_out": skipped.by_reason(),
                "notes": notes,
            }
        )
    else:
        for person, count in enrolled.items():
            say(f"{one_line(person)}: {count} {'photo' if count == 1 else 'photos'} enrolled")
    done = sum(enrolled.values())
    # Who enrols a folder again has done nothing wrong.
    code = report.end(skipped.photos, done=done + skipped.by_reason().get("enrolled before", 0))
    report_enrolled(done, skipped)
    return code


def list_people(
    file: FileArgument, opener: KeyOptions, json: JsonOption = False, csv: CsvOption = False
) -> int:
    """List who is enrolled, with how many photos."""
    with opener.open(file) as gallery:
        people, space = list(gallery.people()), gallery.space
    if json:
        print_json({"space": space.to_dict(), "people": [person.to_dict() for person in people]})
    elif csv:
        lines = [
            (
                *(p.identity, p.n_photos, p.enrolled_at),
                *(p.external_id, "; ".join(p.groups), p.expires_at),
            )
            for p in people
        ]
        print_csv(("name", "photos", "enrolled", "external id", "groups", "expires"), lines)
    else:
        rows = [
            (
                one_line(person.identity),
                str(person.n_photos),
                person.enrolled_at,
                one_line(", ".join(person.groups)),
            )
            for person in people
        ]
        head = ("name", "photos", "enrolled", "groups")
        print_table(head, rows, title=f"enrolled: {len(people)}; {space}")
    return ExitCode.OK


def remove(
    file: FileArgument,
    names: Annotated[list[str], typer.Argument(help="Who to erase.")],
    opener: KeyOptions,
    cache: ForgettingOption = None,
    json: JsonOption = False,
) -> int:
    """Erase people; no vector of theirs stays in the file, or in the cache of `vultus find`."""
    from vultus.pipeline.erasing import erase_people

    with opener.open(file) as gallery:
        erase_people(gallery, names, caches=caches_of(cache))
    if json:
        print_json({"removed": names})
    else:
        say(f"removed: {', '.join(names)}")
    return ExitCode.OK


def identify(
    file: FileArgument,
    photos: PhotosArgument,
    decision: FpirOptions,
    models: RecognizerOptions,
    opener: KeyOptions,
    report: AnswerOptions,
    group: Annotated[
        list[str] | None,
        typer.Option(help="Only people of this group; again for more.", show_default=False),
    ] = None,
) -> int:
    """Name the people in photos or call them unknown; exit code 0 all named, 1 someone unknown."""
    from vultus.pipeline.photos import Skipped

    report.check()
    recognizer, skipped = models.open(), Skipped()
    recognizer.max_fnir = decision.max_fnir
    with opener.open(file) as gallery:
        known = gallery.among(group) if group else gallery
        faces = named_faces(recognizer, known, photos, decision, skipped, report)
    return print_faces(faces, skipped, report)
