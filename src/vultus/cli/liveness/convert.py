"""`vultus liveness convert`: published weights into a model of the store."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.output import ExitCode, JsonOption, print_json, say
from vultus.cli.train.training_extra import require_training_extra


def convert(
    file: Annotated[
        Path, typer.Argument(help="2.7_80x80_MiniFASNetV2.pth or its like.", metavar="FILE")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the ONNX file there; else into the model store.",
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Convert the published weights of MiniFASNet into a model file.

    No code in the file is run. What is not the file of a known card is written with --output only.
    """
    require_training_extra("converting needs")
    from vultus.export.minifasnet import convert_weights, import_weights

    if output is None:
        name, place = import_weights(file)
    else:
        name, place = None, convert_weights(file, output)
    if json:
        print_json({"model": name, "file": str(place)})
    else:
        say(f"{place}" if name is None else f"{name}: {place}")
    return ExitCode.OK
