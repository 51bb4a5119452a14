"""`vultus verify`: are two photos of the same person?"""

from typing import Annotated

import typer

from vultus.cli.options import (
    DEFAULT_DETECTOR,
    DEFAULT_EMBEDDER,
    DetectorOption,
    FmrOption,
    GateOption,
    ModelOption,
    PrecisionOption,
    SelectOption,
    ThresholdOption,
    make_recognizer,
)
from vultus.cli.output import ExitCode, JsonOption, out, print_json, say

__all__ = ["verify"]


def verify(
    a: Annotated[str, typer.Argument(help="One photo.")],
    b: Annotated[str, typer.Argument(help="The other photo.")],
    fmr: FmrOption = 1e-3,
    threshold: ThresholdOption = None,
    select: SelectOption = "only",
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    precision: PrecisionOption = "f32",
    gate: GateOption = True,
    json: JsonOption = False,
) -> int:
    """Decide whether two photos show the same person; exit code 0 yes, 1 no, 2 cannot be judged."""
    recognizer = make_recognizer(detector=detector, model=model, precision=precision, gate=gate)
    answer = recognizer.verify(a, b, fmr=fmr, threshold=threshold, select=select)
    if json:
        print_json({"a": a, "b": b, **answer.to_dict(), "model": str(recognizer.embedder.space)})
    else:
        words = "[bold green]same person[/]" if answer.same_person else "[bold]different people[/]"
        out.print(words)
        say(f"similarity {answer.similarity:.4f}, threshold {answer.threshold}")
    return ExitCode.OK if answer.same_person else ExitCode.NO_MATCH
