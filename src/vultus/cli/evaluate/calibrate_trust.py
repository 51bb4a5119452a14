"""`vultus calibrate-trust`: a site's own limit of trust, from good photos of its own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.options import ModelOptions, SelectOption
from vultus.cli.output import ExitCode, JsonOption, note, print_json, progress_bar, say
from vultus.core.choices import DEFAULT_SELECT

if TYPE_CHECKING:
    from vultus.quality.trust_limit import TrustLimit


def calibrate_trust(
    root: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder or zip of photos that must pass, as your cameras take them."
        ),
    ],
    models: ModelOptions,
    cost: Annotated[
        float, typer.Option(help="Share of these photos that may be refused, (0, 0.5].")
    ] = 0.02,
    select: SelectOption = DEFAULT_SELECT,
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
    """Choose the least trust of a face by your own photos, instead of the model card's.

    It must be known that the photos are good: what is wrong with them is taken for usual.
    """
    from vultus.pipeline.measuring.trust_limit import measure_trust_limit
    from vultus.pipeline.trust_head import trust_limit_path
    from vultus.quality.trust_limit import save_trust_limit

    with progress_bar() as progress:
        limit = measure_trust_limit(
            root, models.open(), cost=cost, select=select, progress=progress
        )
    target = trust_limit_path(limit.model) if output is None else output
    save_trust_limit(target, limit)
    if json:
        print_json({"file": str(target), **limit.to_dict()})
    else:
        _print(limit, target)
    return ExitCode.OK


def _print(limit: "TrustLimit", target: Path) -> None:
    from vultus.evaluation.measures.intervals import rate_interval

    share, bounds = limit.n_refused / limit.n_faces, rate_interval(limit.n_refused, limit.n_faces)
    say(
        f"{limit.model}: trust below {limit.min_trust:.3f} is refused, which costs "
        f"{limit.n_refused} of {limit.n_faces:,} good faces ({share:.2%}; "
        f"{bounds.low:.2%} to {bounds.high:.2%} of others like them)"
    )
    say(
        f"the limit that came with the head, {limit.usual_min_trust:.3f}, refuses "
        f"{limit.n_refused_by_usual} of them"
    )
    if limit.min_trust < limit.usual_min_trust:
        note(
            "this is more lenient than what came with the head: error rates of the model's card "
            "were measured with that"
        )
    say(f"written to {target}")
