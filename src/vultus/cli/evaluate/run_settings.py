"""The options of one evaluation, and the run that they describe: for `evaluate` and `report`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.cli.options import DetectorOption, PrecisionOption, SelectOption
from vultus.core.choices import (
    DEFAULT_DETECTOR,
    DEFAULT_EMBEDDER,
    DEFAULT_SELECT,
    PROTOCOL_NAMES,
    Flip,
)
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.core.progress import Progress
    from vultus.pipeline.measuring import EvaluationRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """One model on one protocol."""

    protocol: Annotated[
        str, typer.Argument(help=f"One of: {', '.join(PROTOCOL_NAMES)}.", metavar="PROTOCOL")
    ]
    root: Annotated[
        Path, typer.Option(help="Folder, zip or .bin of the photos, or .npz of embeddings.")
    ]
    pairs: Annotated[
        Path | None, typer.Option(help="List of pairs, where it is not found in the root.")
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            help=f"Embedder: a name of `vultus models list`; {DEFAULT_EMBEDDER} if none is given.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None
    detector: DetectorOption = DEFAULT_DETECTOR
    precision: PrecisionOption = "f32"
    select: SelectOption = DEFAULT_SELECT
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photos are aligned crops already.")
    ] = False
    flip: Annotated[
        Flip | None,
        typer.Option(
            help="What to do with the mirrored view; the model card says it otherwise.",
            show_default=False,
        ),
    ] = None
    embeddings: Annotated[
        Path | None,
        typer.Option(help="File of `vultus embed` or --save-embeddings to take instead of photos."),
    ] = None
    save_embeddings: Annotated[
        Path | None, typer.Option(help="File to write the photos' embeddings to.")
    ] = None
    head: Annotated[
        Path | None,
        typer.Option(help="Head of `vultus baseline fit` that scores the pairs, not the cosine."),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting of the protocol; repeat for more. The guide to evaluation lists them.",
            metavar="NAME=VALUE",
            show_default=False,
        ),
    ] = None
    far: Annotated[
        float | None,
        typer.Option(
            help="False match rate of `tar_at_far`; 1e-3, or the strictest that the data carry.",
            show_default=False,
        ),
    ] = None


def run_evaluation(run: RunSettings, *, progress: "Progress | None") -> "EvaluationRun":
    """Open what the options name, and measure."""
    from vultus.baselines import FittedHead
    from vultus.core.embeddings import check_same_space
    from vultus.embedding.embedder import open_embedder
    from vultus.evaluation.protocols import PROTOCOLS
    from vultus.evaluation.protocols.scored_by import ScoredBy
    from vultus.pipeline.measuring import measure, measure_stored
    from vultus.pipeline.recognizer import Recognizer

    protocol = PROTOCOLS.create(run.protocol, **_protocol_options(run, run.settings or ()))
    head = None if run.head is None else FittedHead.load(run.head)
    if run.head is not None and head is not None:
        protocol = ScoredBy(protocol, head, words=f"the head {run.head.name}")
    stored = run.root if run.embeddings is None and run.root.suffix == ".npz" else run.embeddings
    if stored is not None:
        if run.save_embeddings is not None or run.flip is not None:
            raise InputError(
                f"{stored} holds embeddings already; leave --save-embeddings and --flip away"
            )
        return measure_stored(protocol, stored, select=run.select, far=run.far, model=run.model)
    model = DEFAULT_EMBEDDER if run.model is None else run.model
    embedder = open_embedder(model, flip=run.flip, precision=run.precision)
    if head is not None and head.space is not None:
        check_same_space(embedder.space, head.space)  # before the photos are embedded
    return measure(
        protocol,
        Recognizer(detector=run.detector, embedder=embedder, gate=None),
        select=run.select,
        far=run.far,
        save_embeddings=run.save_embeddings,
        progress=progress,
    )


def _protocol_options(run: RunSettings, words: Sequence[str]) -> dict[str, Any]:
    from vultus.evaluation.protocols import PROTOCOLS
    from vultus.pipeline.measuring.settings import parse_settings

    options: dict[str, Any] = {"root": run.root, "aligned": run.aligned}
    if run.pairs is not None:
        options["pairs"] = run.pairs
    return options | parse_settings(PROTOCOLS.get(run.protocol), words)
