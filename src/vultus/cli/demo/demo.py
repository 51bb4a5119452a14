"""`vultus demo`: the main job on real photos, with a page to look at."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from vultus import __version__
from vultus.cli.demo.demo_photos import write_demo_photos
from vultus.cli.demo.demo_steps import (
    Portrait,
    cluster_step,
    detect_step,
    identify_step,
    portraits_of,
    refuse_step,
    verify_step,
)
from vultus.cli.options import DetectorOption, ModelOption
from vultus.cli.output import ExitCode, JsonOption, err, out, print_json, report_skipped, say, track
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.core.errors import InputError, ModelError
from vultus.image.io import list_images
from vultus.pages.blocks import Section, write_blocks
from vultus.pages.page import PRIVATE
from vultus.pipeline.photos import AnalysedPhoto, Skipped
from vultus.pipeline.recognizer import Recognizer

_PHOTOS = "photos"
"""Folder for the demo's own photos, whose people are public figures: no privacy note."""


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the page and the photos.")
    ] = Path("demo-output"),
    photos: Annotated[
        Path | None,
        typer.Option("--photos", help="Your own photos: a folder per person, or just photos."),
    ] = None,
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    json: JsonOption = False,
) -> int:
    """Detect, verify, identify, refuse and cluster on real photos; writes a page with pictures."""
    output.mkdir(parents=True, exist_ok=True)
    if photos is None:
        photos = output / _PHOTOS
        write_demo_photos(photos)
    elif not photos.is_dir():
        raise InputError(f"--photos must be a folder, there is no folder {photos}")
    recognizer = Recognizer(detector=detector, embedder=model)
    missing = _missing_embedder(recognizer)
    sections = _detection_only(recognizer, photos) if missing else _all_steps(recognizer, photos)
    page = output / "index.html"
    space = "no embedder" if missing else str(recognizer.embedder.space)
    write_blocks(
        page,
        title="Vultus on real photos",
        sections=sections,
        footer=f"Vultus {__version__}; detector {recognizer.detector.name}; {space}",
        privacy="" if photos == output / _PHOTOS else PRIVATE,
    )
    _print(sections, page, json=json, missing=missing)
    return ExitCode.OK


def _missing_embedder(recognizer: Recognizer) -> str:
    try:
        recognizer.embedder  # noqa: B018  opens the model
    except ModelError as error:
        return str(error)
    return ""


def _detection_only(recognizer: Recognizer, photos: Path) -> list[Section]:
    paths = list_images([photos])
    return [detect_step(recognizer.detect_many(paths, on_error=Skipped()))]


def _all_steps(recognizer: Recognizer, folder: Path) -> list[Section]:
    paths = list_images([folder])
    skipped = Skipped()
    analysed = list(
        recognizer.analyse(track(paths, "analysing", total=len(paths)), on_error=skipped)
    )
    report_skipped(skipped.photos)
    people = _people(analysed, folder)
    clusters, named = cluster_step(recognizer, analysed)
    if not people:
        people = named
    return [
        detect_step(analysed),
        verify_step(recognizer, people),
        identify_step(recognizer, people, analysed),
        refuse_step(analysed),
        clusters,
    ]


def _people(analysed: list[AnalysedPhoto], folder: Path) -> dict[str, list[Portrait]]:
    """The people whose photos lie in a folder of their own, with the faces that can be judged."""
    people: dict[str, list[Portrait]] = {}
    for photo in analysed:
        parts = Path(photo.name).relative_to(folder).parts
        portraits = portraits_of(photo)
        if len(parts) > 1 and len(portraits) == 1:
            people.setdefault(parts[0], []).extend(portraits)
    return people


def _print(sections: list[Section], page: Path, *, json: bool, missing: str) -> None:
    if json:
        steps: list[dict[str, Any]] = [
            {"step": section.title, "text": section.text, "rows": [list(r) for r in section.rows]}
            for section in sections
        ]
        print_json({"page": str(page), "missing": missing or None, "steps": steps})
        return
    for section in sections:
        out.print(f"\n[bold]{section.title}[/]")
        if section.text:
            say(section.text)
        if section.rows:
            table = Table(*section.rows[0])
            for row in section.rows[1:]:
                table.add_row(*row)
            out.print(table)
    if missing:
        err.print(
            f"\n[bold yellow]Only detection was shown: there is no embedder here.[/]\n{missing}"
        )
    say(f"\nThe page with pictures: {page}")
