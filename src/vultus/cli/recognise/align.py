"""`vultus align`: cut faces out of photos, warped to a template."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from vultus.alignment.align import align_faces
from vultus.alignment.crop_templates import TEMPLATES, crop_template
from vultus.cli.options import DetectorOption, PhotosArgument
from vultus.cli.output import ExitCode, JsonOption, print_json, report_skipped, say, track
from vultus.core.crops import AlignedCrops
from vultus.image.io import list_images, write_image
from vultus.pipeline.analyser import DEFAULT_DETECTOR
from vultus.pipeline.photos import DetectedPhoto, Skipped
from vultus.pipeline.recognizer import Recognizer


def align(
    photos: PhotosArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the crops.", metavar="DIR")
    ],
    template: Annotated[
        str,
        typer.Option(help=f"One of {', '.join(sorted(TEMPLATES))}.", metavar="NAME"),
    ] = "arcface-112",
    detector: DetectorOption = DEFAULT_DETECTOR,
    json: JsonOption = False,
) -> int:
    """Write every face as an aligned PNG, and crops.json with where each came from."""
    crop_template(template)  # a wrong name is refused before any work
    paths = list_images(photos)
    skipped = Skipped()
    records: list[dict[str, Any]] = []
    output.mkdir(parents=True, exist_ok=True)
    detected = Recognizer(detector=detector).detect_many(
        track(paths, "aligning", total=len(paths)), on_error=skipped
    )
    for number, photo in enumerate(detected):
        crops = align_faces(photo.image, photo.faces, template=template)
        records.extend(_write_crops(photo, crops, output, number))
    summary = {"template": template, "crops": records, "skipped": skipped.photos}
    (output / "crops.json").write_text(jsonlib.dumps(summary, indent=2, ensure_ascii=False))
    if json:
        print_json(summary)
    else:
        say(f"{len(records)} faces from {len(paths)} photos in {output}")
    report_skipped(skipped.photos, quiet=json)
    return ExitCode.BAD_INPUT if skipped else ExitCode.OK


def _write_crops(
    photo: DetectedPhoto, crops: AlignedCrops, folder: Path, number: int
) -> list[dict[str, Any]]:
    records = []
    faces = photo.faces.to_dicts()
    for index, (pixels, transform) in enumerate(zip(crops.pixels, crops.transforms, strict=True)):
        name = f"{number:06d}-{Path(photo.name).stem}-{index}.png"
        write_image(folder / name, pixels)
        records.append(
            {
                "crop": name,
                "photo": photo.name,
                "face": index,
                **faces[index],
                "transform": [[float(v) for v in row] for row in transform],
            }
        )
    return records
