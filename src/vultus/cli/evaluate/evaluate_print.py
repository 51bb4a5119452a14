"""The figures of a protocol as text."""

from collections.abc import Sequence

from vultus.cli.output import print_table, say
from vultus.evaluation.measures.intervals import Interval
from vultus.evaluation.protocols.figures import (
    ComparisonFigures,
    DistractorFigures,
    EvaluationFigures,
    IdentificationFigures,
    RunFigures,
    Setting,
)
from vultus.evaluation.protocols.result import ProtocolResult


def print_result(result: ProtocolResult, figures: RunFigures) -> None:
    """Print a result to stdout.

    Args:
        result: Of a protocol.
        figures: Of the result, and how the faces were found.
    """
    say(f"{figures.protocol}: {figures.model}")
    for line in _photo_lines(figures):
        say(line)
    if figures.settings:
        told = (f"{name} {_setting(value)}" for name, value in figures.settings.items())
        say(f"settings: {', '.join(told)}")
    if figures.folds is not None:
        folds = figures.folds
        say(
            f"accuracy {folds.accuracy:.2%} +- {folds.standard_error:.2%} (standard error of "
            f"{len(folds.accuracies)} folds, std {_rate(folds.std)}); 95 % "
            f"{_ends(folds.interval)}, {folds.n_pairs:,} pairs"
        )
    for name, asked, rate, trials in figures.over_trials():
        say(
            f"{name} at {asked} at most {rate:.3g} over {len(trials.thresholds)} trials: mean "
            f"{trials.mean:.2%}, std {_rate(trials.std)}, mean - std "
            f"{_rate(trials.mean_minus_std)}; 95 % of the mean {_ends(trials.interval)} "
            f"({trials.interval.method})"
        )
    _print_points("every photo against every other" if result.trials else "comparisons", figures)
    if figures.all_pairs is not None:
        _print_points("every photo against every other", figures.all_pairs)
    _print_distractors(figures.distractors or ())
    _print_searches(figures)
    for name, digest in figures.files_sha256.items():
        say(f"{name} sha256 {digest}")


def _photo_lines(figures: RunFigures) -> list[str]:
    source = figures.detector or "aligned crops"
    if figures.embeddings is not None:
        source = f"stored embeddings, {figures.embeddings.file}"
    told = f"{figures.n_photos:,} photos, {figures.failures:,} without a face ({source})"
    if figures.sets is None:
        lines = [f"{told}; they count as errors"]
    else:
        lines = [
            f"{told}; {figures.n_sets:,} {figures.sets}, {figures.failed_sets:,} of them without "
            "any face, which count as errors"
        ]
    if figures.n_probes is not None:
        lines.append(
            f"{figures.n_probes:,} probes of {figures.n_people:,} people; lists of noises "
            f"removed {figures.removed_probes:,} probes and {figures.removed_distractors:,} "
            "distractors"
        )
    return lines


def _setting(value: Setting) -> str:
    if isinstance(value, list):
        return "-".join(f"{item}" for item in value)
    return "none" if value is None else str(value)


def _print_points(title: str, figures: ComparisonFigures) -> None:
    eer, area = figures.equal_error_rate_interval, figures.area_under_curve_interval
    say(
        f"{title}: {figures.n_genuine:,} genuine, {figures.n_impostor:,} impostor; EER "
        f"{figures.equal_error_rate:.3%} (95 % {_ends(eer, '.3%')}), AUC "
        f"{figures.area_under_curve:.5f} ({_ends(area, '.5f')})"
    )
    if not figures.operating_points:
        say("too few impostor comparisons for any rate (3 / n must be at most 0.1)")
        return
    head = ("FMR at most", "threshold", "FMR", "95 %", "TAR", "95 %", "intervals")
    rows = []
    for point in figures.operating_points:
        methods = (point.fmr_interval.method, point.tar_interval.method)
        rows.append(
            (
                f"{point.target_fmr:.0e}",
                "inf" if point.threshold is None else f"{point.threshold:.4f}",
                f"{point.fmr:.2e}",
                _ends(point.fmr_interval, ".1e"),
                f"{point.tar:.2%}",
                _ends(point.tar_interval),
                ", ".join(method.split()[0] for method in methods),
            )
        )
    print_table(head, rows, justify="right")


def _print_distractors(rows: Sequence[DistractorFigures]) -> None:
    if not rows:
        return
    ranks = list(rows[0].rank)
    head = ["distractors", *(word for rank in ranks for word in (f"rank-{rank}", "95 %"))]
    cells = []
    for row in rows:
        known = [row.rank[rank] for rank in ranks]
        found = [(f"{rate.rate:.2%}", _ends(rate.interval)) for rate in known]
        cells.append([f"{row.n_distractors:,}", *(text for pair in found for text in pair)])
    title = f"mate among the first k, {rows[0].n_searches:,} searches"
    print_table(head, cells, title=title, justify="right")


def _print_searches(figures: EvaluationFigures) -> None:
    if figures.identification is None:
        return
    trials = figures.open_set_identification
    name = "1:N" if trials is None else f"1:N, mean of {len(trials.thresholds)} trials, in all"
    if figures.galleries:
        name = f"1:N, mean of the galleries {', '.join(figures.galleries)}"
    _print_identification(name, figures.identification)
    for gallery, found in (figures.galleries or {}).items():
        _print_identification(f"1:N, gallery {gallery}", found)


def _print_identification(name: str, figures: IdentificationFigures) -> None:
    ranks = ", ".join(
        f"rank-{rank} {row.rate:.2%} (95 % {_ends(row.interval)})"
        for rank, row in figures.rank.items()
    )
    say(f"{name}, {figures.n_enrolled:,} enrolled, {figures.n_mated:,} searches for them: {ranks}")
    for row in figures.open_set:
        say(
            f"  FPIR at most {row.target_fpir:.0e} ({figures.n_strangers:,} strangers): "
            f"FNIR {row.fnir:.2%} (95 % {_ends(row.fnir_interval)}), TPIR {1 - row.fnir:.2%}"
        )


def _ends(interval: Interval | None, form: str = ".2%") -> str:
    return "unknown" if interval is None else f"{interval.low:{form}} - {interval.high:{form}}"


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:.2%}"
