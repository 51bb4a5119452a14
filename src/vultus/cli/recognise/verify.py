"""`vultus verify`: are two photos of the same person?"""

from typing import Annotated

import typer

from vultus.cli.options import (
    CalibrationOption,
    DetectorOption,
    FmrOption,
    GateOption,
    ModelOption,
    PrecisionOption,
    SelectOption,
    ThresholdOption,
)
from vultus.cli.output import ExitCode, JsonOption, out, print_json, say
from vultus.pipeline.analyser import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.pipeline.recognizer import DEFAULT_PRIOR, open_recognizer


def verify(
    a: Annotated[str, typer.Argument(help="One photo.")],
    b: Annotated[str, typer.Argument(help="The other photo.")],
    fmr: FmrOption = 1e-3,
    threshold: ThresholdOption = None,
    calibration: CalibrationOption = None,
    prior: Annotated[
        float,
        typer.Option(
            "--prior", help="Chance of a match before looking, (0, 1), for the probability."
        ),
    ] = DEFAULT_PRIOR,
    select: SelectOption = "only",
    model: ModelOption = DEFAULT_EMBEDDER,
    detector: DetectorOption = DEFAULT_DETECTOR,
    precision: PrecisionOption = "f32",
    gate: GateOption = True,
    json: JsonOption = False,
) -> int:
    """Decide whether two photos show the same person; exit code 0 yes, 1 no, 2 cannot be judged."""
    recognizer = open_recognizer(
        detector=detector, model=model, precision=precision, gate=gate, calibration=calibration
    )
    answer = recognizer.verify(a, b, fmr=fmr, threshold=threshold, prior=prior, select=select)
    if json:
        print_json({"a": a, "b": b, **answer.to_dict(), "model": str(recognizer.embedder.space)})
    else:
        words = "[bold green]same person[/]" if answer.same_person else "[bold]different people[/]"
        out.print(words)
        say(f"similarity {answer.similarity:.4f}, threshold {answer.threshold}")
        if answer.probability is not None:
            say(
                f"log-likelihood ratio {answer.log_likelihood_ratio:+.2f}; probability of a match "
                f"{answer.probability:.2%} at prior {answer.prior:g}"
            )
    return ExitCode.OK if answer.same_person else ExitCode.NO_MATCH
