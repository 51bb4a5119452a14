"""`vultus verify`: are two photos of the same person?"""

from dataclasses import dataclass
from typing import Annotated

import typer

from vultus.cli.options import (
    CautiousOption,
    FmrOptions,
    RecognizerOptions,
    SelectOption,
    check_one_rule,
)
from vultus.cli.output import ExitCode, JsonOption, note, print_json, say
from vultus.core.choices import DEFAULT_PRIOR, DEFAULT_SELECT


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions(FmrOptions):
    """Where the line is drawn, and what is known before looking."""

    prior: Annotated[
        float,
        typer.Option(help="Chance of a match before looking, (0, 1), for the probability."),
    ] = DEFAULT_PRIOR
    cautious: CautiousOption = False

    def __post_init__(self) -> None:
        check_one_rule(self.threshold, cautious=self.cautious)


def verify(
    a: Annotated[str, typer.Argument(help="One photo.")],
    b: Annotated[str, typer.Argument(help="The other photo.")],
    decision: VerifyOptions,
    models: RecognizerOptions,
    select: SelectOption = DEFAULT_SELECT,
    json: JsonOption = False,
) -> int:
    """Decide whether two photos show the same person; exit code 0 yes, 1 no, 2 cannot be judged."""
    recognizer = models.open()
    answer = recognizer.verify(
        a,
        b,
        fmr=decision.fmr,
        threshold=decision.threshold,
        cautious=decision.cautious,
        prior=decision.prior,
        select=select,
    )
    if json:
        print_json({"a": a, "b": b, **answer.to_dict(), "model": str(recognizer.embedder.space)})
    else:
        say(
            "same person" if answer.same_person else "different people",
            style="bold green" if answer.same_person else "bold",
        )
        say(f"similarity {answer.similarity:.4f}, threshold {answer.threshold}")
        if answer.probability is not None:
            say(
                f"log-likelihood ratio {answer.log_likelihood_ratio:+.2f}; probability of a match "
                f"{answer.probability:.2%} at prior {answer.prior:g}"
            )
        for told in answer.notes:
            note(f"note: {told}")
    return ExitCode.OK if answer.same_person else ExitCode.NO_MATCH
