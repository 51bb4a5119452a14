"""`vultus gallery import`: many people at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.options import RecognizerOptions, SelectOption
from vultus.cli.output import ReportOptions, note, print_json, progress_bar, report_skipped, say
from vultus.core.choices import DEFAULT_SELECT

if TYPE_CHECKING:
    from vultus.pipeline.importing import ImportReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReportOptions(ReportOptions):
    """Where it is told what became of everybody."""

    report: Annotated[
        Path | None,
        typer.Option(
            help="Write what was left out and why as JSON.", metavar="FILE", show_default=False
        ),
    ] = None
    page: Annotated[
        Path | None,
        typer.Option(help="The same as a page to read.", metavar="FILE", show_default=False),
    ] = None

    def check(self) -> None:
        """Refuse what cannot be written before the work."""
        from vultus.core.files import check_target

        for path in (self.report, self.page):
            if path is not None:
                check_target(path, replace=True)


def import_(
    file: FileArgument,
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with a folder of photos per person, or a CSV file with the columns "
            "photo and name (and external_id, groups, consent, consent_until, retain_until; any "
            "other is metadata)."
        ),
    ],
    models: RecognizerOptions,
    opener: KeyOptions,
    report: ImportReportOptions,
    select: SelectOption = DEFAULT_SELECT,
) -> int:
    """Enrol many people, a transaction each; run again, it goes on where it was."""
    from vultus.pipeline.importing import import_people

    report.check()
    check_source(source)
    recognizer = models.open()
    with opener.open_or_make(file, recognizer) as gallery, progress_bar() as progress:
        done = import_people(recognizer, gallery, source, select=select, progress=progress)
        space = gallery.space
    return report_import(done, report, gallery=file, model=str(space))


def check_source(source: Path) -> None:
    """Refuse people who cannot be read before a gallery is made for them.

    Raises:
        InputError: If there is no such folder or table, or a line of it is wrong.
    """
    from vultus.pipeline.people_source import people_to_import
    from vultus.pipeline.photos import Skipped

    people_to_import(source, Skipped())


def report_import(
    done: "ImportReport", report: ImportReportOptions, *, gallery: Path, model: str
) -> int:
    """Write and say what became of everybody; gives the exit code."""
    from vultus.core.files import write_text
    from vultus.core.text import json_text

    if report.report is not None:
        write_text(report.report, json_text(done.to_dict(), indent=2), private=True)
    if report.page is not None:
        done.write_page(report.page, gallery=str(gallery), model=model)
    if report.json:
        print_json(done.to_dict())
    else:
        say(
            f"{len(done.people):,} people: {done.added:,} photos enrolled, "
            f"{done.enrolled_before:,} enrolled before, {len(done.left_out):,} left out"
        )
        if done.without_photo:
            say(f"not enrolled, no photo was taken: {len(done.without_photo):,} people")
    for text in done.notes:
        note(f"note: {text}")
    report_skipped(done.left_out)
    return report.code(len(done.left_out), done=done.added + done.enrolled_before)
