"""`vultus find`: every photo of one person in an album."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.options import CacheOption, FmrOptions, RecognizerOptions, SelectOption
from vultus.cli.output import (
    ExitCode,
    TableOptions,
    note,
    one_line,
    print_csv,
    print_json,
    print_table,
    progress_bar,
    say,
)
from vultus.core.choices import DEFAULT_SELECT

if TYPE_CHECKING:
    from vultus.pipeline.album import FoundPhotos

# One face is compared with each of an album: stricter than one comparison asks for.
FINDING = FmrOptions(fmr=1e-4)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonOptions:
    """Whom to look for, and where."""

    photo: Annotated[str, typer.Argument(help="A photo of the person.")]
    album: Annotated[list[str], typer.Argument(help="Folders (with all below them), or photos.")]
    select: SelectOption = DEFAULT_SELECT
    cache: CacheOption = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingOptions(TableOptions):
    """What becomes of the photos."""

    copy: Annotated[
        Path | None, typer.Option(help="Copy them into this new folder.", metavar="DIR")
    ] = None
    html: Annotated[
        Path | None, typer.Option(help="Write a page with their faces.", metavar="FILE")
    ] = None


def find(
    person: PersonOptions,
    models: RecognizerOptions,
    report: FindingOptions,
    decision: FmrOptions = FINDING,
) -> int:
    """Find every photo of a person in an album, best first; exit code 0 some, 1 none.

    What was found in the album's photos is kept, so that the next search takes no time.
    """
    from vultus.core.files import check_target
    from vultus.core.thresholds import Threshold
    from vultus.image.io import list_images
    from vultus.pipeline import album
    from vultus.pipeline.photos import Skipped

    if report.copy is not None:
        album.check_copies(report.copy)
    if report.html is not None:
        check_target(report.html)
    photos = list_images(person.album)
    recognizer, skipped = models.open(cache=person.cache or "user"), Skipped()
    given = decision.threshold
    rule = recognizer.threshold(decision.fmr) if given is None else Threshold(given)
    wanted = recognizer.embed_face(person.photo, select=person.select)
    with progress_bar() as progress:
        found = album.find_person(
            recognizer,
            wanted,
            photos,
            threshold=rule,
            on_error=skipped,
            progress=progress,
        )
    if report.copy is not None:
        album.copy_found(found, report.copy)
        note(f"copies in {report.copy}")
    if report.html is not None:
        album.write_found_sheet(found, report.html)
        note(f"a page in {report.html}")
    _print(found, skipped.photos, report)
    code = ExitCode.OK if found.photos else ExitCode.NO_MATCH
    return report.end(skipped.photos, done=found.n_photos, code=code)


def _print(found: "FoundPhotos", skipped: list[dict[str, str]], report: TableOptions) -> None:
    if report.json:
        print_json({**found.to_dict(), "skipped": skipped})
        return
    if report.csv:
        head = ("photo", "face", "x1", "y1", "x2", "y2", "similarity", "threshold")
        limit = found.threshold.similarity
        rows = [(p.photo, p.face, *p.box_xyxy, p.similarity, limit) for p in found.photos]
        print_csv(head, rows)
        return
    lines = [(one_line(p.photo), str(p.face), f"{p.similarity:.4f}") for p in found.photos]
    print_table(("photo", "face", "similarity"), lines)
    say(f"{len(found.photos)} of {found.n_photos} photos; threshold {found.threshold}")
    if found.fpir is not None:
        say(
            f"chance that somebody who is on none of them is found, among {found.n_faces} faces: "
            f"{found.fpir:.1e}"
        )
