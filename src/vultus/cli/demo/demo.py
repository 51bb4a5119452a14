"""`vultus demo`: the main job on real photos, with a page to look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus import __version__
from vultus.cli.options import DetectorOption, ModelOption
from vultus.cli.output import (
    ExitCode,
    JsonOption,
    note,
    print_json,
    print_table,
    progress_bar,
    report_skipped,
    say,
)
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.pipeline.demo import Demonstration


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the page and the photos.")
    ] = Path("demo-output"),
    photos: Annotated[
        Path | None,
        typer.Option(help="Your own photos: a folder per person, or just photos."),
    ] = None,
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    json: JsonOption = False,
) -> int:
    """Detect, verify, identify, refuse and cluster on real photos; writes a page with pictures."""
    from vultus.core.files import make_private_folder
    from vultus.image.demo_photos import write_demo_photos
    from vultus.pages.blocks import write_blocks
    from vultus.pages.page import PRIVATE
    from vultus.pipeline.demo import demonstrate
    from vultus.pipeline.photos import Skipped
    from vultus.pipeline.recognizer import Recognizer

    make_private_folder(output)
    folder = output / "photos" if photos is None else photos
    if photos is None:
        write_demo_photos(folder)
    elif not photos.is_dir():
        raise InputError(f"--photos must be a folder, there is no folder {photos}")
    recognizer, skipped = Recognizer(detector=detector, embedder=model), Skipped()
    with progress_bar() as progress:
        shown = demonstrate(recognizer, folder, on_error=skipped, progress=progress)
    report_skipped(skipped.photos)
    page = output / "index.html"
    write_blocks(
        page,
        title="Vultus on real photos",
        sections=shown.sections,
        footer=f"Vultus {__version__}; detector {recognizer.detector.name}; {shown.space}",
        privacy="" if photos is None else PRIVATE,  # the demo's people are public figures
    )
    _print(shown, page, json=json)
    return ExitCode.OK


def _print(shown: "Demonstration", page: Path, *, json: bool) -> None:
    if json:
        steps = [
            {"step": section.title, "text": section.text, "rows": [list(r) for r in section.rows]}
            for section in shown.sections
        ]
        print_json({"page": str(page), "missing": shown.missing or None, "steps": steps})
        return
    for section in shown.sections:
        say(f"\n{section.title}", style="bold")
        if section.text:
            say(section.text)
        if section.rows:
            print_table(section.rows[0], section.rows[1:])
    if shown.missing:
        note("\nOnly detection was shown: there is no embedder here.", style="bold yellow")
        note(shown.missing)
    say(f"\nThe page with pictures: {page}")
