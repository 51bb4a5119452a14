"""`vultus gallery threshold`: what a gallery's threshold is, and what it costs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions, check_there
from vultus.cli.options import FpirOptions, ModelOptions
from vultus.cli.output import ExitCode, JsonOption, print_json, print_table, say
from vultus.core.errors import CalibrationError, InputError
from vultus.gallery.stores.places import shown

if TYPE_CHECKING:
    from vultus.core.thresholds import Threshold
    from vultus.gallery.gallery import Gallery
    from vultus.matching.gallery_trade import TradePoint
    from vultus.pipeline.recognizer import Recognizer


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOptions:
    """Which galleries the table has."""

    people: Annotated[
        list[int] | None,
        typer.Option(help="People in a gallery; repeatable. Else 100 to 100,000.", min=1),
    ] = None
    photos: Annotated[
        list[int] | None, typer.Option(help="Photos of each; repeatable. Else 1 and 3.", min=1)
    ] = None
    plot: Annotated[
        Path | None, typer.Option(help="Draw it, too (png, svg, pdf).", metavar="FILE")
    ] = None


def threshold(
    file: FileArgument,
    decision: FpirOptions,
    models: ModelOptions,
    opener: KeyOptions,
    trade: TradeOptions,
    json: JsonOption = False,
) -> int:
    """Show the threshold of a gallery, and what FPIR, people and photos cost in people missed."""
    from vultus.gallery.stores.opening import is_there
    from vultus.matching.gallery_trade import USUAL_FPIRS, USUAL_PEOPLE, USUAL_PHOTOS, gallery_trade

    check_there(file)
    if not is_there(file):  # in a database: it is opened below, which would make it
        raise InputError(f"there is no gallery {shown(file)}; `vultus gallery enroll` makes one")
    recognizer = models.open()
    recognizer.max_fnir = decision.max_fnir
    with opener.open_or_make(file, recognizer) as gallery:
        counts = gallery.opened.roster.summary().people_by_faces
        rule, refusal = _own(recognizer, gallery, decision)
    table, calibration = recognizer.rules(cautious=decision.cautious)
    points = gallery_trade(
        table,
        calibration=calibration,
        people=sorted(set(trade.people or USUAL_PEOPLE)),
        photos=sorted(set(trade.photos or USUAL_PHOTOS)),
        fpirs=sorted({*USUAL_FPIRS, decision.fpir}, reverse=True),
    )
    if trade.plot is not None:
        _draw(recognizer, decision.fpir, trade)
    if json:
        rates = None if rule is None or rule.search is None else rule.search.to_dict()
        own = {
            "people": sum(counts.values()),
            "people_by_photos": dict(sorted(counts.items())),
            "fpir": decision.fpir,
            "threshold": None if rule is None else rule.to_dict(),
            "search": rates,
            "refusal": refusal,
        }
        print_json({"gallery": own, "trade": [point.to_dict() for point in points]})
    else:
        _print(sum(counts.values()), rule, refusal, points)
    return ExitCode.OK if rule is not None else ExitCode.NO_MATCH


def _own(
    recognizer: "Recognizer", gallery: "Gallery", decision: FpirOptions
) -> tuple["Threshold | None", str]:
    """The rule for the people enrolled now; None, and why not, where there is none."""
    from vultus.core.thresholds import Threshold

    if decision.threshold is not None:
        return Threshold(decision.threshold), ""
    try:
        rule = recognizer.gallery_threshold(gallery, fpir=decision.fpir, cautious=decision.cautious)
    except CalibrationError as error:
        return None, str(error)
    return rule, ""


def _draw(recognizer: "Recognizer", fpir: float, trade: TradeOptions) -> None:
    from vultus.evaluation.calibration.plots import TRADE_SIZES, plot_gallery_trade
    from vultus.evaluation.plots import save_figure
    from vultus.matching.gallery_trade import USUAL_PHOTOS, gallery_trade

    points = gallery_trade(
        recognizer.rates,
        calibration=recognizer.calibration,
        people=TRADE_SIZES,
        photos=sorted(set(trade.photos or USUAL_PHOTOS)),
        fpirs=sorted({0.1, fpir}, reverse=True),
    )
    if trade.plot is not None:
        save_figure(plot_gallery_trade(points), trade.plot)


def _print(
    n_people: int, rule: "Threshold | None", refusal: str, points: list["TradePoint"]
) -> None:
    head = ("people", "photos", "FPIR", "at most", "threshold", "missed", "up to", "")
    print_table(head, map(_row, points), title="what a gallery costs", justify="right")
    for reason in sorted({point.refusal for point in points if point.refusal}):
        say(f"cannot be carried: {reason}")
    say(f"enrolled now: {n_people:,} people")
    if rule is None:
        say(f"no search: {refusal}")
        return
    say(f"limit: {rule}")
    if rule.search is not None:
        say(f"expected: {rule.search}")


def _row(point: "TradePoint") -> tuple[str, ...]:
    gallery = (f"{point.people:,}", str(point.photos_per_person), f"{point.fpir:g}")
    rule = point.threshold
    if rule is None or rule.search is None:
        return (*gallery, "", "", "", "", "cannot be carried")
    rates = rule.search
    return (
        *gallery,
        "-" if rates.fpir_high is None else f"{rates.fpir_high:.2g}",
        f"{rule.similarity:.4f}",
        "-" if rates.fnir is None else f"{rates.fnir:.0%}",
        "-" if rates.fnir_high is None else f"{rates.fnir_high:.0%}",
        "refused: --max-fnir" if point.would_refuse else "",
    )
