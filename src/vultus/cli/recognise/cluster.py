"""`vultus cluster`: group photos by person."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.options import FmrOptions, PhotosArgument, RecognizerOptions
from vultus.cli.output import (
    ReportOptions,
    note,
    one_line,
    print_json,
    progress_bar,
    say,
)

# Many faces are compared, each with every other: stricter than one comparison asks for.
CLUSTERING = FmrOptions(fmr=1e-4)


def cluster(
    photos: PhotosArgument,
    models: RecognizerOptions,
    report: ReportOptions,
    decision: FmrOptions = CLUSTERING,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Copy photos into a folder per person here."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a contact sheet.", metavar="FILE")
    ] = None,
) -> int:
    """Group the faces of many photos by person, without knowing who they are."""
    from vultus.core.files import check_target
    from vultus.core.thresholds import Threshold
    from vultus.image.io import list_images
    from vultus.pipeline import grouping
    from vultus.pipeline.photos import Skipped

    if output is not None:
        grouping.check_new_folder(output)
    if html is not None:
        check_target(html)
    recognizer, skipped = models.open(), Skipped()
    given = decision.threshold
    rule = recognizer.threshold(decision.fmr) if given is None else Threshold(given)
    with progress_bar() as progress:
        groups = grouping.group_photos(
            recognizer, list_images(photos), threshold=rule, on_error=skipped, progress=progress
        )
    if output is not None:
        grouping.copy_groups(groups, output)
        note(f"a folder per person in {output}")
    if html is not None:
        grouping.write_group_sheet(groups, html)
        note(f"contact sheet in {html}")
    if report.json:
        print_json({**groups.to_dict(), "skipped": skipped.photos})
    else:
        say(f"{len(groups)} faces, {len(groups.people)} people; threshold {rule}")
        for number, person in enumerate(groups.people):
            names = ", ".join(groups.photos_of(number))
            say(f"person {number + 1} ({len(person)}): {one_line(names)}")
    return report.end(skipped.photos, done=len(groups))
