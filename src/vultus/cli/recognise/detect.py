"""`vultus detect`: find faces."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.cli.options import DetectorOption, PhotosArgument
from vultus.cli.output import (
    ReportOptions,
    note,
    one_line,
    print_json,
    print_table,
    track,
)
from vultus.core.choices import DEFAULT_DETECTOR

if TYPE_CHECKING:
    from vultus.pipeline.photos import DetectedPhoto


def detect(
    photos: PhotosArgument,
    report: ReportOptions,
    detector: DetectorOption = DEFAULT_DETECTOR,
    draw: Annotated[
        Path | None, typer.Option(help="Write annotated copies into this folder.", metavar="DIR")
    ] = None,
) -> int:
    """Find the faces in photos: boxes, scores and five landmarks."""
    from vultus.image.io import list_images
    from vultus.pipeline.photos import Skipped
    from vultus.pipeline.recognizer import Recognizer

    paths = track(found := list_images(photos), "detecting", total=len(found))
    skipped = Skipped()
    records: list[dict[str, Any]] = []
    for photo in Recognizer(detector=detector).detect_many(paths, on_error=skipped):
        record = _record(photo)
        if draw is not None:
            record["drawn"] = str(_draw(photo, draw, number=len(records)))
        records.append(record)
    if report.json:
        print_json({"photos": records, "skipped": skipped.photos})
    else:
        print_table(("photo", "size", "faces", "x1 y1 x2 y2  score"), map(_row, records))
    if draw is not None and not report.json:
        note(f"annotated copies in {draw}")
    return report.end(skipped.photos, done=len(records))


def _record(photo: "DetectedPhoto") -> dict[str, Any]:
    height, width = photo.image.shape[:2]
    faces = photo.faces.to_dicts()
    return {"photo": photo.name, "width": width, "height": height, "faces": faces}


def _draw(photo: "DetectedPhoto", folder: Path, *, number: int) -> Path:
    from vultus.core.files import make_private_folder
    from vultus.image.draw import draw_faces
    from vultus.image.io import write_image

    # The number keeps photos of one name in different folders apart.
    target = folder / f"{number:04d}-{Path(photo.name).stem}.jpg"
    make_private_folder(folder)
    captions = [f"{score:.2f}" for score in photo.faces.scores]
    write_image(target, draw_faces(photo.image, photo.faces, captions=captions), private=True)
    return target


def _row(record: dict[str, Any]) -> tuple[str, str, str, str]:
    boxes = "\n".join(
        f"{' '.join(f'{v:.0f}' for v in face['box_xyxy'])}  {face['score']:.3f}"
        for face in record["faces"]
    )
    size = f"{record['width']}x{record['height']}"
    return one_line(record["photo"]), size, str(len(record["faces"])), boxes or "-"
