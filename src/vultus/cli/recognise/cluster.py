"""`vultus cluster`: group photos by person."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from vultus import __version__
from vultus.cli.options import (
    DetectorOption,
    FmrOption,
    GateOption,
    ModelOption,
    PhotosArgument,
    PrecisionOption,
    ThresholdOption,
)
from vultus.cli.output import ExitCode, JsonOption, note, print_json, report_skipped, say, track
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.core.results import Clustering
from vultus.core.thresholds import Threshold
from vultus.image.io import list_images
from vultus.matching.clustering import cluster as cluster_embeddings
from vultus.pages.blocks import Picture, Section, write_page
from vultus.pipeline.analyser import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.pipeline.photos import Skipped
from vultus.pipeline.recognizer import Recognizer, open_recognizer


@dataclass(frozen=True, slots=True, eq=False)
class _Face:
    photo: str
    index: int
    crop: Image


def cluster(
    photos: PhotosArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Copy photos into a folder per person here."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a contact sheet.", metavar="FILE")
    ] = None,
    fmr: FmrOption = 1e-4,
    threshold: ThresholdOption = None,
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    precision: PrecisionOption = "f32",
    gate: GateOption = True,
    json: JsonOption = False,
) -> int:
    """Group the faces of many photos by person, without knowing who they are."""
    if output is not None and output.exists() and any(output.iterdir()):
        raise InputError(f"--output must be a new or empty folder, {output} is not empty")
    recognizer = open_recognizer(detector=detector, model=model, precision=precision, gate=gate)
    rule = recognizer.threshold(fmr) if threshold is None else Threshold(threshold)
    skipped = Skipped()
    faces, embeddings = _collect(recognizer, photos, skipped)
    grouping = cluster_embeddings(
        embeddings, threshold=rule, photo_ids=[face.photo for face in faces]
    )
    people = [[faces[i] for i in grouping.members(k)] for k in range(grouping.n_clusters)]
    if output is not None:
        _copy(people, output)
    if html is not None:
        _contact_sheet(people, html, grouping, str(recognizer.embedder.space))
    if json:
        print_json({**_summary(people, grouping), "skipped": skipped.photos})
    else:
        say(f"{len(faces)} faces, {len(people)} people; threshold {rule}")
        for number, person in enumerate(people, start=1):
            names = ", ".join(sorted({face.photo for face in person}))
            say(f"person {number} ({len(person)}): {names}")
    report_skipped(skipped.photos, quiet=json)
    return ExitCode.BAD_INPUT if skipped else ExitCode.OK


def _collect(
    recognizer: Recognizer, photos: list[str], skipped: Skipped
) -> tuple[list[_Face], Embeddings]:
    paths = list_images(photos)
    faces: list[_Face] = []
    parts: list[Embeddings] = []
    for photo in recognizer.analyse(track(paths, "analysing", total=len(paths)), on_error=skipped):
        if not len(photo.faces):
            skipped.photos.append({"photo": photo.name, "error": "no face found"})
        keep = [i for i, reasons in enumerate(photo.refusals) if not reasons]
        faces.extend(_Face(photo.name, i, photo.crops.pixels[i]) for i in keep)
        parts.append(photo.embeddings[keep])
        for i, reasons in enumerate(photo.refusals):
            if reasons:
                skipped.photos.append(
                    {"photo": photo.name, "error": f"face {i}: {'; '.join(reasons)}"}
                )
    space = recognizer.embedder.space
    return faces, Embeddings.concatenate(parts) if parts else Embeddings.empty(space)


def _summary(people: list[list[_Face]], grouping: Clustering) -> dict[str, Any]:
    return {
        "people": [[{"photo": f.photo, "face": f.index} for f in person] for person in people],
        "threshold": grouping.threshold.to_dict(),
    }


def _copy(people: list[list[_Face]], folder: Path) -> None:
    for number, person in enumerate(people, start=1):
        target = folder / f"person-{number:04d}"
        target.mkdir(parents=True, exist_ok=True)
        for source in sorted({face.photo for face in person}):
            copy = target / Path(source).name
            suffix = 1
            while copy.exists():  # photos of one name in different folders
                suffix += 1
                copy = target / f"{Path(source).stem}-{suffix}{Path(source).suffix}"
            shutil.copy2(source, copy)
    note(f"a folder per person in {folder}")


def _contact_sheet(people: list[list[_Face]], path: Path, grouping: Clustering, space: str) -> None:
    sections = [
        Section(
            f"Person {number} ({len(person)})",
            pictures=[Picture(face.crop, Path(face.photo).name, 112) for face in person],
        )
        for number, person in enumerate(people, start=1)
    ]
    write_page(
        path,
        title=f"{len(people)} people in {sum(map(len, people))} faces",
        sections=sections,
        footer=f"Vultus {__version__}; {space}; threshold {grouping.threshold}",
    )
    note(f"contact sheet in {path}")
