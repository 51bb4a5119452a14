"""Arguments and options that several commands share, and the recogniser that they describe."""

from typing import Annotated

import typer

from vultus.pipeline.selection import Selection
from vultus.runtime.providers import Precision

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
