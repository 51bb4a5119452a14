"""`vultus detect`: find faces."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from vultus.cli.options import DetectorOption, PhotosArgument
from vultus.cli.output import ExitCode, JsonOption, note, out, print_json, report_skipped, track
from vultus.image.draw import draw_faces
from vultus.image.io import list_images, write_image
from vultus.pipeline.analyser import DEFAULT_DETECTOR
from vultus.pipeline.photos import DetectedPhoto, Skipped
from vultus.pipeline.recognizer import Recognizer


def detect(
    photos: PhotosArgument,
    detector: DetectorOption = DEFAULT_DETECTOR,
    draw: Annotated[
        Path | None,
        typer.Option("--draw", help="Write annotated copies into this folder.", metavar="DIR"),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Find the faces in photos: boxes, scores and five landmarks."""
    paths = list_images(photos)
    recognizer = Recognizer(detector=detector)
    skipped = Skipped()
    records: list[dict[str, Any]] = []
    for photo in recognizer.detect_many(
        track(paths, "detecting", total=len(paths)), on_error=skipped
    ):
        record = _record(photo)
        if draw is not None:
            record["drawn"] = str(_draw(photo, draw, number=len(records)))
        records.append(record)
    if json:
        print_json({"photos": records, "skipped": skipped.photos})
    else:
        out.print(_table(records))
    report_skipped(skipped.photos, quiet=json)
    if draw is not None and not json:
        note(f"annotated copies in {draw}")
    return ExitCode.BAD_INPUT if skipped else ExitCode.OK


def _record(photo: DetectedPhoto) -> dict[str, Any]:
    height, width = photo.image.shape[:2]
    return {
        "photo": photo.name,
        "width": width,
        "height": height,
        "faces": photo.faces.to_dicts(),
    }


def _draw(photo: DetectedPhoto, folder: Path, *, number: int) -> Path:
    # The number keeps photos of one name in different folders apart.
    target = folder / f"{number:04d}-{Path(photo.name).stem}.jpg"
    folder.mkdir(parents=True, exist_ok=True)
    captions = [f"{score:.2f}" for score in photo.faces.scores]
    write_image(target, draw_faces(photo.image, photo.faces, captions=captions))
    return target


def _table(records: list[dict[str, Any]]) -> Table:
    table = Table(Column("photo", overflow="fold"), "size", "faces", "x1 y1 x2 y2  score")
    for record in records:
        boxes = "\n".join(
            f"{' '.join(f'{v:.0f}' for v in face['box_xyxy'])}  {face['score']:.3f}"
            for face in record["faces"]
        )
        size = f"{record['width']}x{record['height']}"
        table.add_row(record["photo"], size, str(len(record["faces"])), boxes or "-")
    return table
