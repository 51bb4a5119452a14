"""`vultus gallery enroll-video`: somebody enrolled from a film."""

from typing import Annotated

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.options import RecognizerOptions
from vultus.cli.output import ReportOptions, note, print_json, report_note, say


def enroll_video(
    file: FileArgument,
    name: Annotated[str, typer.Argument(help="Who it is.")],
    source: Annotated[
        str,
        typer.Argument(help="A film of this person, or a folder of frames.", metavar="SOURCE"),
    ],
    models: RecognizerOptions,
    opener: KeyOptions,
    report: ReportOptions,
    shots: Annotated[int, typer.Option(help="How many shots to enrol at most.", min=1)] = 5,
) -> int:
    """Enrol the one person of a film by the best shots."""
    from vultus.pipeline.photos import Skipped
    from vultus.video.enrolment import enroll_video as enroll
    from vultus.video.sources.opening import open_source

    opened = open_source(source)
    recognizer, skipped = models.open(), Skipped(on_note=report_note)
    with opener.open_or_make(file, recognizer) as gallery:
        added = enroll(recognizer, gallery, name, opened, n_shots=shots, on_error=skipped)
    if report.json:
        notes = [told.to_dict() for told in skipped.notes]
        print_json({"person": name, "added": added, "skipped": skipped.photos, "notes": notes})
    else:
        say(f"{name}: {added} shots enrolled")
    if skipped.photos:
        note(f"{len(skipped.photos)} shots left out")
    return report.end(skipped.photos, done=added)
