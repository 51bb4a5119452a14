"""`vultus detect`: find faces."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.cli.options import DetectorOption, PhotosArgument
from vultus.cli.output import (
    TableOptions,
    note,
    one_line,
    print_csv,
    print_json,
    print_table,
    track,
)
from vultus.core.choices import DEFAULT_DETECTOR

if TYPE_CHECKING:
    from vultus.core.faces import Image
    from vultus.detection.base import SmallestFace
    from vultus.pipeline.photos import DetectedPhoto

_BOX = ("x1", "y1", "x2", "y2")


def detect(
    photos: PhotosArgument,
    report: TableOptions,
    detector: DetectorOption = DEFAULT_DETECTOR,
    draw: Annotated[
        Path | None, typer.Option(help="Write annotated copies into this folder.", metavar="DIR")
    ] = None,
) -> int:
    """Find the faces in photos: boxes, scores and five landmarks."""
    from vultus.core.files import check_folder
    from vultus.detection.base import smallest_face
    from vultus.image.draw import draw_faces
    from vultus.image.io import list_images
    from vultus.pipeline.photos import Skipped
    from vultus.pipeline.recognizer import Recognizer

    if draw is not None:
        check_folder(draw)
    paths = track(found := list_images(photos), "detecting", total=len(found))
    skipped = Skipped()
    records: list[dict[str, Any]] = []
    recognizer = Recognizer(detector=detector)
    smallest: list[SmallestFace] = []
    for photo in recognizer.detect_many(paths, on_error=skipped):
        record = _record(photo)
        if (least := smallest_face(recognizer.detector, photo.image.shape[:2])) is not None:
            record["smallest_face_px"] = least.px
            smallest.append(least)
        if draw is not None:
            captions = [f"{score:.2f}" for score in photo.faces.scores]
            drawn = draw_faces(photo.image, photo.faces, captions=captions)
            record["drawn"] = write_drawn(drawn, draw, name=photo.name, number=len(records))
        records.append(record)
    if report.json:
        print_json({"photos": records, "skipped": skipped.photos})
    elif report.csv:
        print_csv(("photo", "width", "height", "face", *_BOX, "score"), _cells(records))
    else:
        print_table(("photo", "size", "faces", "x1 y1 x2 y2  score"), map(_row, records))
    if draw is not None and not report.json:
        note(f"annotated copies in {draw}")
    _tell_smallest(smallest, detector)
    return report.end(skipped.photos, done=len(records))


def _record(photo: "DetectedPhoto") -> dict[str, Any]:
    height, width = photo.image.shape[:2]
    faces = photo.faces.to_dicts()
    return {"photo": photo.name, "width": width, "height": height, "faces": faces}


def _tell_smallest(smallest: "list[SmallestFace]", detector: str) -> None:
    """Say below which size faces were not looked for, where the photos' size decided that."""
    from vultus.detection.base import USUAL_SMALLEST_PX, with_setting

    large = sorted(least for least in smallest if least.px > USUAL_SMALLEST_PX and least.smaller)
    if not large:
        return
    low, high = f"{large[0].px:.0f}", f"{large[-1].px:.0f}"
    pixels = low if low == high else f"{low} to {high}"
    way = with_setting(detector, large[0].smaller)
    hint = way and f"; --detector {way} looks for smaller ones"
    photos = "1 large photo" if len(large) == 1 else f"{len(large)} large photos"
    note(f"note: faces under {pixels} pixels were not looked for in {photos}{hint}")


def write_drawn(image: "Image", folder: Path, *, name: str, number: int) -> str:
    """Write the annotated copy of a photo; gives its path."""
    from vultus.core.files import make_private_folder
    from vultus.image.io import write_image

    # The number keeps photos of one name in different folders apart.
    target = folder / f"{number:04d}-{Path(name).stem}.jpg"
    make_private_folder(folder)
    write_image(target, image, private=True)
    return str(target)


def _cells(records: list[dict[str, Any]]) -> Iterator[tuple[str | float | None, ...]]:
    """A line per face; a photo without one has a line, too."""
    for record in records:
        photo = (record["photo"], record["width"], record["height"])
        for i, face in enumerate(record["faces"]):
            yield (*photo, i, *face["box_xyxy"], face["score"])
        if not record["faces"]:
            yield (*photo, *[None] * 6)


def _row(record: dict[str, Any]) -> tuple[str, str, str, str]:
    boxes = "\n".join(
        f"{' '.join(f'{v:.0f}' for v in face['box_xyxy'])}  {face['score']:.3f}"
        for face in record["faces"]
    )
    size = f"{record['width']}x{record['height']}"
    return one_line(record["photo"]), size, str(len(record["faces"])), boxes or "-"
