"""`vultus identify`: who of the enrolled people is in these photos?"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from vultus.cli.options import (
    CalibrationOption,
    DetectorOption,
    FpirOption,
    GateOption,
    ModelOption,
    PhotosArgument,
    PrecisionOption,
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
    track,
)
from vultus.core.errors import InputError
from vultus.gallery.gallery import Gallery
from vultus.image.io import list_images
from vultus.pipeline.analyser import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.pipeline.enrolment import enroll_folder
from vultus.pipeline.photos import Skipped
from vultus.pipeline.recognizer import Recognizer, open_recognizer


def identify(
    photos: PhotosArgument,
    gallery: Annotated[
        Path,
        typer.Option(
            "--gallery", help="A gallery file, or a folder with one folder of photos per person."
        ),
    ],
    fpir: FpirOption = 0.01,
    threshold: ThresholdOption = None,
    calibration: CalibrationOption = None,
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    precision: PrecisionOption = "f32",
    gate: GateOption = True,
    json: JsonOption = False,
) -> int:
    """Name the people in photos or call them unknown; exit code 0 all named, 1 someone unknown."""
    recognizer = open_recognizer(
        detector=detector, model=model, precision=precision, gate=gate, calibration=calibration
    )
    skipped = Skipped()
    with _opened(gallery, recognizer, skipped) as enrolled:
        return identify_photos(
            recognizer, enrolled, photos, skipped, fpir=fpir, threshold=threshold, json=json
        )


def identify_photos(
    recognizer: Recognizer,
    gallery: Gallery,
    photos: Sequence[str],
    skipped: Skipped,
    *,
    fpir: float,
    threshold: float | None,
    json: bool,
) -> int:
    """Identify every face of some photos, print the answers and give the exit code."""
    paths = list_images(photos)
    faces: list[dict[str, Any]] = []
    rules: set[str] = set()
    for photo in recognizer.analyse(
        track(paths, "identifying", total=len(paths)), on_error=skipped
    ):
        if not len(photo.faces):
            skipped.photos.append({"photo": photo.name, "error": "no face found"})
            continue
        answers = recognizer.identify_faces(photo, gallery, fpir=fpir, threshold=threshold)
        rules |= {str(answer.threshold) for answer in answers}
        boxes = photo.faces.to_dicts()
        faces.extend(
            {"photo": photo.name, "face": i, "box_xyxy": boxes[i]["box_xyxy"], **answer.to_dict()}
            for i, answer in enumerate(answers)
        )
    if json:
        print_json({"faces": faces, "skipped": skipped.photos})
    else:
        out.print(_table(faces))
        for rule in sorted(rules):
            say(f"limit: {rule}")
    report_skipped(skipped.photos, quiet=json)
    if skipped:
        return ExitCode.BAD_INPUT
    return ExitCode.OK if all(face["identity"] for face in faces) else ExitCode.NO_MATCH


@contextmanager
def _opened(source: Path, recognizer: Recognizer, skipped: Skipped) -> Iterator[Gallery]:
    if source.is_file():
        with Gallery.open(source) as gallery:
            yield gallery
    elif source.is_dir():
        with (
            tempfile.TemporaryDirectory() as folder,
            recognizer.open_gallery(Path(folder) / "gallery.db") as gallery,
        ):
            with progress_bar() as progress:
                enroll_folder(recognizer, gallery, source, on_error=skipped, progress=progress)
            yield gallery
    else:
        raise InputError(
            f"--gallery must be a gallery file or a folder of people, there is no {source}"
        )


def _table(faces: Sequence[dict[str, Any]]) -> Table:
    table = Table(Column("photo", overflow="fold"), "face", "who", "similarity", "limit", "note")
    for face in faces:
        best = face["candidates"][0] if face["candidates"] else None
        note = "; ".join(face["refusal"])
        if best is not None and face["identity"] is None and not note:
            note = f"nearest: {best['identity']}"
        table.add_row(
            face["photo"],
            str(face["face"]),
            face["identity"] or "unknown",
            "-" if best is None else f"{best['similarity']:.4f}",
            f"{face['threshold']['similarity']:.4f}",
            note,
        )
    return table
