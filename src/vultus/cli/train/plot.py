"""`vultus plot`: pictures of losses and of training data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vultus.cli.output import ExitCode, note, say
from vultus.cli.train.training_extra import require_training_extra
from vultus.core.errors import InputError

OutputOption = Annotated[Path, typer.Option("--output", "-o", help="PNG file to write.")]


def target_logit(output: OutputOption) -> int:
    """Draw what each loss makes of the target logit over the angle, and its slope."""
    require_training_extra("losses need")
    from vultus.training.toys.plots import save_png, target_logit_figure

    save_png(target_logit_figure(), output)
    say(str(output))
    return ExitCode.OK


def toy(
    output: OutputOption,
    loss: Annotated[
        list[str],
        typer.Option(
            "--loss",
            help="A loss, with settings if wanted: cosface or cosface:margin_cos=0.2,scale=16. "
            "Repeat for one column each.",
        ),
    ],
    data: Annotated[
        Literal["identities", "digits"],
        typer.Option("--data", help="Eight synthetic identities, or scikit-learn's digits."),
    ] = "identities",
    sweep: Annotated[
        str | None,
        typer.Option("--sweep", help="One column a value: margin_cos=0,0.15,0.3,0.45."),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", help="Training steps.", min=1)] = 600,
    seed: Annotated[int, typer.Option("--seed", help="Of weights and batches.")] = 0,
) -> int:
    """Train 2-D features with each loss and draw them: in the plane, and as directions."""
    require_training_extra("losses need")
    from vultus.training.toys.plots import save_png, toy_figure
    from vultus.training.toys.toys import digits, synthetic_identities, train_toy

    points = digits() if data == "digits" else synthetic_identities()
    toys = []
    for name, settings in _columns(loss, sweep):
        trained = train_toy(points, name, settings=settings, steps=steps, seed=seed)
        note(f"{name} {settings}: {trained.accuracy:.1%} in their class")
        toys.append(trained)
    save_png(toy_figure(toys), output)
    say(str(output))
    return ExitCode.OK


def _columns(losses: Sequence[str], sweep: str | None) -> list[tuple[str, dict[str, Any]]]:
    """Name and settings of each column: every loss, times every value of the sweep."""
    from vultus.core.plain_values import parse_assignment, parse_word

    columns: list[tuple[str, dict[str, Any]]] = []
    for text in losses:
        name, _, rest = text.partition(":")
        settings = dict(
            parse_assignment(part, error=InputError) for part in rest.split(",") if part
        )
        if sweep is None:
            columns.append((name, settings))
            continue
        key, _ = parse_assignment(sweep, error=InputError)
        values = sweep.partition("=")[2].split(",")
        columns += [(name, {**settings, key: parse_word(value)}) for value in values]
    return columns
