"""`vultus train-trust`: what tells whether an embedder's vectors can be trusted."""

from pathlib import Path
from typing import Annotated

import typer

from vultus.cli.output import ExitCode, JsonOption, print_json, progress_bar, say
from vultus.cli.train.training_extra import require_training_extra


def train_trust(
    model: Annotated[str, typer.Argument(help="A name of `vultus models list`, or a file.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="data.root=CROPS limits.root=OTHER_CROPS damaged=160 cost=0.02 ...",
            metavar="[KEY=VALUE]...",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write it; else into the model store, where every command finds it.",
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Make the trust head of an embedder from aligned crops that are damaged in many ways.

    The embedder's file stays as it is, and so do galleries and calibrations.
    """
    require_training_extra("training needs")
    from vultus.quality.trust import save_trust_head
    from vultus.training.trust.train import save_site_head, train_trust, trust_settings

    wanted = trust_settings(settings if settings is not None else [])
    with progress_bar() as progress:
        trained = train_trust(model, wanted, progress=progress)
    if output is None:
        output = save_site_head(model, trained)
    else:
        save_trust_head(output, trained.head)
    if json:
        print_json({"file": str(output), **trained.to_dict()})
        return ExitCode.OK
    say(
        f"{output}: fitted on {trained.n_samples} crops; trust below {trained.head.min_trust:.3f} "
        f"is refused, which costs {trained.refused_clean:.2%} of {trained.n_clean} undamaged faces"
    )
    return ExitCode.OK
