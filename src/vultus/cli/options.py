"""Arguments and options that several commands share, and the recogniser that they describe."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.core.errors import VultusError
from vultus.embedding.embedder import open_embedder
from vultus.models.cards import Flip
from vultus.pipeline.analyser import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.selection import Selection
from vultus.quality.gate import QualityGate
from vultus.runtime.providers import Precision

__all__ = [
    "DEFAULT_DETECTOR",
    "DEFAULT_EMBEDDER",
    "CalibrationOption",
    "DetectorOption",
    "FmrOption",
    "FpirOption",
    "GateOption",
    "ModelOption",
    "PhotosArgument",
    "PrecisionOption",
    "SelectOption",
    "Skipped",
    "ThresholdOption",
    "make_recognizer",
]

PhotosArgument = Annotated[
    list[str], typer.Argument(help="Photos, folders (searched recursively) or globs.")
]
DetectorOption = Annotated[
    str,
    typer.Option(
        "--detector",
        help="mtcnn, yunet, scrfd, or NAME:MODEL for another model file.",
        metavar="NAME",
    ),
]
ModelOption = Annotated[
    str,
    typer.Option("--model", help="Embedder: a name of `vultus models list`.", metavar="NAME"),
]
PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="f32, or bf16 where the CPU and OpenVINO have it.")
]
GateOption = Annotated[
    bool,
    typer.Option(
        "--gate/--no-gate", help="Refuse faces that are too poor to compare, with the reason."
    ),
]
FmrOption = Annotated[
    float,
    typer.Option("--fmr", help="False match rate that the threshold may have at most, (0, 1]."),
]
FpirOption = Annotated[
    float,
    typer.Option("--fpir", help="Chance that a stranger is given a name, at most, (0, 1)."),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        help="A cosine similarity to use instead; its error rate is unknown.",
        show_default=False,
    ),
]
CalibrationOption = Annotated[
    str | None,
    typer.Option(
        "--calibration",
        help="File of `vultus calibrate`, or `none` for the model card alone; else the store's.",
        metavar="FILE",
        show_default=False,
    ),
]
SelectOption = Annotated[
    Selection,
    typer.Option("--select", help="Which face of a photo is meant when it shows several."),
]


def make_recognizer(
    *,
    detector: str = DEFAULT_DETECTOR,
    model: str = DEFAULT_EMBEDDER,
    precision: Precision = "f32",
    gate: bool = True,
    calibration: str | None = None,
    flip: Flip | None = None,
) -> Recognizer:
    """The recogniser that a command's options describe."""
    named = Path(model) if model.endswith(".onnx") else model
    recognizer = Recognizer(
        detector=detector,
        embedder=named if flip is None else open_embedder(named, flip=flip, precision=precision),
        gate=QualityGate() if gate else None,
        precision=precision,
    )
    if calibration is not None:
        recognizer.use_calibration(None if calibration == "none" else Path(calibration))
    return recognizer


class Skipped:
    """Collects the photos that a command could not use, so that the rest still goes on."""

    def __init__(self) -> None:
        self.photos: list[dict[str, str]] = []

    def __call__(self, name: str, error: VultusError) -> None:
        """Note one photo and why."""
        self.photos.append({"photo": name, "error": str(error)})

    def __len__(self) -> int:
        return len(self.photos)
