"""`vultus gallery`: enrolled people in one local file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from vultus.cli.options import (
    DetectorOption,
    FpirOption,
    GateOption,
    ModelOption,
    PhotosArgument,
    SelectOption,
    ThresholdOption,
)
from vultus.cli.output import (
    ExitCode,
    JsonOption,
    out,
    print_json,
    progress_bar,
    report_skipped,
    say,
)
from vultus.cli.recognise.identify import identify_photos
from vultus.core.errors import InputError
from vultus.gallery.gallery import Gallery
from vultus.image.io import list_images
from vultus.pipeline.analyser import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.pipeline.enrolment import enroll_folder
from vultus.pipeline.photos import Skipped
from vultus.pipeline.recognizer import open_recognizer

app = typer.Typer(help="Enrolled people in one local file.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="The gallery's file.", metavar="FILE")]


@app.command()
def enroll(
    file: FileArgument,
    photos: PhotosArgument,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Who it is; without, give a folder with a folder per person."),
    ] = None,
    select: SelectOption = "only",
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    gate: GateOption = True,
    json: JsonOption = False,
) -> int:
    """Enrol one person from photos, or many from a folder of folders; makes FILE when needed."""
    recognizer = open_recognizer(detector=detector, model=model, gate=gate)
    skipped = Skipped()
    with recognizer.open_gallery(file) as gallery:
        if name is not None:
            paths = list_images(photos)
            added = recognizer.enroll(gallery, name, paths, select=select, on_error=skipped)
            enrolled = {name: added}
        else:
            enrolled = {}
            for folder in photos:
                with progress_bar() as progress:
                    enrolled |= enroll_folder(
                        recognizer,
                        gallery,
                        Path(folder),
                        on_error=skipped,
                        select=select,
                        progress=progress,
                    )
    if json:
        print_json({"enrolled": enrolled, "skipped": skipped.photos})
    else:
        for person, count in enrolled.items():
            say(f"{person}: {count} {'photo' if count == 1 else 'photos'} enrolled")
    report_skipped(skipped.photos, quiet=json)
    return ExitCode.BAD_INPUT if skipped else ExitCode.OK


@app.command("list")
def list_people(file: FileArgument, json: JsonOption = False) -> int:
    """List who is enrolled, with how many photos."""
    with _existing(file) as gallery:
        people = gallery.identities()
        space = gallery.space
    if json:
        print_json({"space": space.to_dict(), "people": [person.to_dict() for person in people]})
        return ExitCode.OK
    table = Table("name", "photos", "enrolled", title=f"enrolled: {len(people)}; {space}")
    for person in people:
        table.add_row(person.identity, str(person.n_photos), person.enrolled_at)
    out.print(table)
    return ExitCode.OK


@app.command()
def remove(
    file: FileArgument,
    names: Annotated[list[str], typer.Argument(help="Who to erase.")],
    json: JsonOption = False,
) -> int:
    """Erase people; no vector of theirs stays in the file."""
    with _existing(file) as gallery:
        for name in names:
            gallery.remove(name)
    if json:
        print_json({"removed": names})
    else:
        say(f"removed: {', '.join(names)}")
    return ExitCode.OK


@app.command()
def identify(
    file: FileArgument,
    photos: PhotosArgument,
    fpir: FpirOption = 0.01,
    threshold: ThresholdOption = None,
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    gate: GateOption = True,
    json: JsonOption = False,
) -> int:
    """Name the people in photos or call them unknown; exit code 0 all named, 1 someone unknown."""
    recognizer = open_recognizer(detector=detector, model=model, gate=gate)
    with _existing(file) as gallery:
        return identify_photos(
            recognizer, gallery, photos, Skipped(), fpir=fpir, threshold=threshold, json=json
        )


def _existing(file: Path) -> Gallery:
    if not file.is_file():
        raise InputError(f"there is no gallery {file}; `vultus gallery enroll` makes one")
    return Gallery.open(file)
