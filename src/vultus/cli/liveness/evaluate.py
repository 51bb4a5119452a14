"""`vultus liveness evaluate`: how often attacks pass, on photos of one's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.options import ModelOptions
from vultus.cli.output import ExitCode, JsonOption, print_json, print_table, progress_bar, say

if TYPE_CHECKING:
    from vultus.evaluation.measures.presentation_attacks import CountedRate
    from vultus.pipeline.measuring.liveness import LivenessEvaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdOptions:
    """How the threshold comes about."""

    threshold: Annotated[
        float | None,
        typer.Option(
            help="Score in [0, 1] below which a face is suspected; else the one in use.",
            show_default=False,
        ),
    ] = None
    bpcer: Annotated[
        float | None,
        typer.Option(
            help="Set the threshold so that this share of living faces is suspected, [0, 1).",
            show_default=False,
        ),
    ] = None
    save: Annotated[bool, typer.Option("--save", help="Keep the threshold as this site's own.")] = (
        False
    )


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Holds live/ and attack/SPECIES/, each with photos or folders of people.",
            metavar="FOLDER",
        ),
    ],
    options: ThresholdOptions,
    models: ModelOptions,
    json: JsonOption = False,
) -> int:
    """Measure how often attacks pass and living faces are suspected (ISO/IEC 30107-3)."""
    from vultus.liveness.passive import open_passive_liveness
    from vultus.pipeline.measuring.liveness import (
        LivenessSettings,
        evaluate_liveness,
        save_threshold,
    )
    from vultus.pipeline.photos import Skipped

    settings = LivenessSettings(threshold=options.threshold, bpcer=options.bpcer)
    passive = open_passive_liveness()
    skipped = Skipped()
    with progress_bar() as progress:
        found = evaluate_liveness(
            folder,
            liveness=passive,
            recognizer=models.open(),
            settings=settings,
            progress=progress,
            on_error=skipped,
        )
    kept = save_threshold(found.threshold) if options.save else None
    if json:
        saved = None if kept is None else str(kept)
        print_json({**found.to_dict(), "saved": saved, "skipped": skipped.photos})
        return ExitCode.OK
    _print(found)
    if skipped.photos:
        say(f"without response: {len(skipped.photos)} photos (--json names them and why)")
    if kept is not None:
        say(f"kept in {kept}: `vultus liveness` judges by it from now on")
    return ExitCode.OK


def _print(found: "LivenessEvaluation") -> None:
    rates = found.rates
    rows = [(f"APCER {kind.name}", _text(kind.apcer), _text(kind.apnrr)) for kind in rates.species]
    rows.append(("BPCER living faces", _text(rates.bpcer), _text(rates.bpnrr)))
    say(f"threshold {rates.threshold:.4f}; an attack passes at or above it")
    print_table(("error", "share of those scored", "no response"), rows)
    if found.system is not None:
        system = found.system
        say(
            f"with the matcher at {system.threshold}: IAPAR {_text(system.iapar)} "
            f"({system.species}), FNMR {_text(system.fnmr)}, RIAPAR {system.riapar:.3f}"
        )


def _text(rate: "CountedRate | None") -> str:
    if rate is None:
        return "none scored"
    interval = rate.interval
    return f"{rate.rate:.1%} ({interval.low:.1%} to {interval.high:.1%}) of {rate.n}"
