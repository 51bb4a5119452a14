"""`vultus liveness`: a passive look at faces for prints and screens."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from vultus.cli.options import DetectorOption, PhotosArgument
from vultus.cli.output import (
    ExitCode,
    TableOptions,
    note,
    one_line,
    print_csv,
    print_json,
    print_table,
    track,
)
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_LIVENESS

LivenessThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        help="Score in [0, 1] below which a face is suspected; else the site's own, else 0.5.",
        show_default=False,
    ),
]

LivenessModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="What looks: a name of `vultus models list` of the task antispoof, or a file with its "
        "card (see `vultus liveness train`); may be repeated. The usual ones are "
        f"{' and '.join(DEFAULT_LIVENESS)}.",
        show_default=False,
    ),
]

_BOX = ("x1", "y1", "x2", "y2")


def liveness(
    photos: PhotosArgument,
    report: TableOptions,
    model: LivenessModelOption = None,
    detector: DetectorOption = DEFAULT_DETECTOR,
    threshold: LivenessThresholdOption = None,
) -> int:
    """Look for signs that a photo shows a print or a screen instead of a living face.

    A signal, no proof: attacks pass it. Exit code 1 if a face is suspected or cannot be judged.
    """
    from vultus.image.io import list_images
    from vultus.liveness.passive import open_passive_liveness
    from vultus.pipeline.photos import Skipped
    from vultus.pipeline.recognizer import Recognizer

    passive = open_passive_liveness(liveness_models(model), threshold=threshold)
    skipped = Skipped()
    paths = track(found := list_images(photos), "looking", total=len(found))
    records: list[dict[str, Any]] = []
    is_clean = True
    for photo in Recognizer(detector=detector).detect_many(paths, on_error=skipped):
        faces = []
        for face, signal in zip(
            photo.faces.to_dicts(), passive.judge(photo.image, photo.faces), strict=True
        ):
            faces.append({"box_xyxy": face["box_xyxy"], **signal.to_dict()})
            is_clean = is_clean and not signal.refusal
        records.append({"photo": photo.name, "faces": faces})
    if report.json:
        print_json({"photos": records, "skipped": skipped.photos})
    elif report.csv:
        print_csv(("photo", "face", *_BOX, "score", "threshold", "verdict"), _cells(records))
    else:
        print_table(("photo", "score", "verdict"), map(_row, records))
        note(f"threshold {passive.threshold}; no attack seen is not alive: attacks pass")
    code = report.end(skipped.photos, done=len(records))
    return code if code or is_clean else ExitCode.NO_MATCH


def liveness_models(model: list[str] | None) -> Sequence[str]:
    """What ``--model`` names, else the usual networks."""
    return DEFAULT_LIVENESS if model is None else model


def _cells(records: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (
            record["photo"],
            place,
            *face["box_xyxy"],
            face["score"],
            face["threshold"]["score"],
            face["verdict"],
        )
        for record in records
        for place, face in enumerate(record["faces"])
    ]


def _row(record: dict[str, Any]) -> tuple[str, str, str]:
    faces = record["faces"]
    return (
        one_line(record["photo"]),
        "\n".join(f"{face['score']:.3f}" for face in faces) or "-",
        "\n".join("; ".join((face["verdict"], *face["reasons"])) for face in faces) or "no face",
    )
