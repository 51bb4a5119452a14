"""`vultus liveness evaluate`: how often attacks pass, on photos of one's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.liveness.liveness import LivenessModelOption, liveness_models
from vultus.cli.options import DetectorOption
from vultus.cli.output import ExitCode, JsonOption, print_json, print_table, progress_bar, say
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER

if TYPE_CHECKING:
    from vultus.evaluation.measures.presentation_attacks import CountedRate
    from vultus.pipeline.measuring.attack_threshold import LivenessSettings
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
    apcer: Annotated[
        float | None,
        typer.Option(
            help="Set it so that this share of attacks passes, of the species that passes most "
            "often, [0, 1).",
            show_default=False,
        ),
    ] = None
    upper_bound: Annotated[
        bool,
        typer.Option(
            "--upper-bound", help="Keep the upper end of its 95 % interval to --apcer, not itself."
        ),
    ] = False
    save: Annotated[bool, typer.Option("--save", help="Keep the threshold as this site's own.")] = (
        False
    )

    def settings(self) -> "LivenessSettings":
        """As the library takes them."""
        from vultus.pipeline.measuring.attack_threshold import LivenessSettings

        return LivenessSettings(
            threshold=self.threshold,
            bpcer=self.bpcer,
            apcer=self.apcer,
            upper_bound=self.upper_bound,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MatcherOptions:
    """What finds faces, and compares them where folders say who is whom."""

    embedder: Annotated[
        str, typer.Option(help="What compares faces: a name of `vultus models list`, or a file.")
    ] = DEFAULT_EMBEDDER
    detector: DetectorOption = DEFAULT_DETECTOR


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Holds live/ and attack/SPECIES/, each with photos or folders of people.",
            metavar="FOLDER",
        ),
    ],
    options: ThresholdOptions,
    matcher: MatcherOptions,
    model: LivenessModelOption = None,
    json: JsonOption = False,
) -> int:
    """Measure how often attacks pass and living faces are suspected (ISO/IEC 30107-3)."""
    from vultus.liveness.passive import UNMEASURED, open_passive_liveness
    from vultus.pipeline.measuring.liveness import evaluate_liveness, save_threshold
    from vultus.pipeline.photos import Skipped
    from vultus.pipeline.recognizer import Recognizer

    settings = options.settings()
    models = liveness_models(model)
    # Who sets one anew is not to be stopped by one that is of other networks.
    known = None if settings == ThresholdOptions().settings() else UNMEASURED
    passive = open_passive_liveness(models, threshold=known)
    recognizer = Recognizer(detector=matcher.detector, embedder=matcher.embedder, gate=None)
    skipped = Skipped()
    with progress_bar() as progress:
        found = evaluate_liveness(
            folder,
            liveness=passive,
            recognizer=recognizer,
            settings=settings,
            progress=progress,
            on_error=skipped,
        )
    kept = save_threshold(found.threshold, models=models) if options.save else None
    if json:
        saved = None if kept is None else str(kept)
        print_json({**found.to_dict(), "saved": saved, "skipped": skipped.photos})
        return ExitCode.OK
    _print(found)
    _warn(found, options.apcer)
    if skipped.photos:
        say(f"without response: {len(skipped.photos)} photos (--json names them and why)")
    if kept is not None:
        say(f"kept in {kept}: `vultus liveness` judges by it from now on")
    return ExitCode.OK


def _warn(found: "LivenessEvaluation", asked: float | None) -> None:
    """Say where more attacks may pass than was asked for.

    Args:
        found: What was measured.
        asked: The APCER that was asked for; None where it was not set by one.
    """
    worst = found.threshold.apcer_high
    if asked is not None and worst is not None and worst > asked:
        say(
            f"up to {worst:.1%} of {found.threshold.species} may pass (95 %), more than the "
            f"{asked:.1%} asked for: more attacks make that narrower, --upper-bound keeps to it"
        )


def _print(found: "LivenessEvaluation") -> None:
    rates = found.rates
    rows = [
        (f"APCER {kind.name}", rate_text(kind.apcer), rate_text(kind.apnrr))
        for kind in rates.species
    ]
    rows.append(("BPCER living faces", rate_text(rates.bpcer), rate_text(rates.bpnrr)))
    say(f"threshold {rates.threshold:.4f}; an attack passes at or above it")
    print_table(("error", "share of those scored", "no response"), rows)
    if found.system is not None:
        system = found.system
        say(
            f"with the matcher at {system.threshold}: IAPAR {rate_text(system.iapar)} "
            f"({system.species}), FNMR {rate_text(system.fnmr)}, RIAPAR {system.riapar:.3f}"
        )


def rate_text(rate: "CountedRate | None") -> str:
    """A share with its 95 % interval and count, for people."""
    if rate is None:
        return "none scored"
    interval = rate.interval
    return f"{rate.rate:.1%} ({interval.low:.1%} to {interval.high:.1%}) of {rate.n}"
