"""`vultus attendance report`: who was here when."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.output import ExitCode, FormOptions, note, print_csv, print_json, print_table


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendanceOptions(FormOptions):
    """Of which time, and where to."""

    since: Annotated[
        str | None,
        typer.Option(
            help="Only what happened at this time (ISO 8601, else UTC) or later.",
            show_default=False,
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(help="Only what happened before this time.", show_default=False),
    ] = None
    timezone: Annotated[
        str | None,
        typer.Option(
            help="Days and times by this clock, as Europe/Berlin; else this machine's.",
            show_default=False,
        ),
    ] = None
    html: Annotated[
        Path | None, typer.Option(help="Write a page, too.", metavar="FILE", show_default=False)
    ] = None


def report(file: FileArgument, opener: KeyOptions, options: AttendanceOptions) -> int:
    """List who was recognised on which day: first and last seen, visits, time in view."""
    from vultus.core.files import check_target
    from vultus.gallery.events.log import EventLog
    from vultus.video.attendance import HEAD, attendance, write_attendance_page, zone

    clock = zone(options.timezone)
    if options.html is not None:
        check_target(options.html, replace=True)
    with opener.open(file) as gallery:
        found = attendance(EventLog(gallery), since=options.since, until=options.until, clock=clock)
    if options.html is not None:
        write_attendance_page(options.html, found, title="Attendance")
        note(f"a page in {options.html}")
    if options.json:
        print_json({"attendance": [one.to_dict() for one in found]})
    elif options.csv:
        print_csv(tuple(name.replace(" ", "_") for name in HEAD), [one.row() for one in found])
    else:
        print_table(HEAD, [one.row() for one in found])
    return ExitCode.OK
