"""The figures of a protocol as text."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from vultus.cli.output import out, say
from vultus.evaluation.measures.summary import Summary
from vultus.evaluation.protocols.base import ProtocolResult

TRIALS = (
    ("verification", "TAR", "far", "FAR"),
    ("open_set_identification", "DIR at rank 1", "fpir", "FPIR"),
)


def print_result(result: ProtocolResult, report: Mapping[str, Any]) -> None:
    """Print a result to stdout.

    Args:
        result: Of a protocol.
        report: ``result.to_dict()`` and how the faces were found.
    """
    say(f"{result.protocol}: {result.space}")
    for line in _photo_lines(result, report):
        say(line)
    if result.settings:
        told = (f"{name} {_setting(value)}" for name, value in result.settings.items())
        say(f"settings: {', '.join(told)}")
    if result.accuracy is not None:
        folds = result.accuracy
        say(
            f"accuracy {folds.mean:.2%} +- {folds.standard_error:.2%} (standard error of "
            f"{len(folds.accuracies)} folds, std {_rate(folds.std)}); 95 % "
            f"{folds.interval.low:.2%} - {folds.interval.high:.2%}, {folds.n_pairs:,} pairs"
        )
    _print_trials(report)
    whole = "every photo against every other" if result.trials else "comparisons"
    _print_points(whole, result.comparisons)
    if result.all_pairs is not None:
        _print_points("every photo against every other", result.all_pairs)
    _print_distractors(report.get("distractors"))
    _print_searches(report)
    for name, digest in result.files_sha256.items():
        say(f"{name} sha256 {digest}")


def _photo_lines(result: ProtocolResult, report: Mapping[str, Any]) -> list[str]:
    if "embeddings" in report:
        source = f"stored embeddings, {report['embeddings']['file']}"
    else:
        source = report["detector"] or "aligned crops"
    told = f"{result.n_photos:,} photos, {result.failures:,} without a face ({source})"
    sets = report.get("sets")
    if sets is None:
        lines = [f"{told}; they count as errors"]
    else:
        lines = [
            f"{told}; {report['n_sets']:,} {sets}, {report['failed_sets']:,} of them without any "
            "face, which count as errors"
        ]
    if "removed_probes" in report:
        lines.append(
            f"{report['n_probes']:,} probes of {report['n_people']:,} people; lists of noises "
            f"removed {report['removed_probes']:,} probes and {report['removed_distractors']:,} "
            "distractors"
        )
    return lines


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(f"{item}" for item in value)
    return "none" if value is None else str(value)


def _print_trials(report: Mapping[str, Any]) -> None:
    for key, name, rate, words in TRIALS:
        figures = report.get(key)
        if figures is not None:
            interval = figures["interval"]
            say(
                f"{name} at {words} at most {figures[rate]:.3g} over {len(figures['thresholds'])} "
                f"trials: mean {figures['mean']:.2%}, std {_rate(figures['std'])}, mean - std "
                f"{_rate(figures['mean_minus_std'])}; 95 % of the mean {interval['low']:.2%} - "
                f"{interval['high']:.2%} ({interval['method']})"
            )


def _print_points(title: str, summary: Summary) -> None:
    figures = summary.to_dict()
    eer, area = figures["equal_error_rate_interval"], figures["area_under_curve_interval"]
    say(
        f"{title}: {figures['n_genuine']:,} genuine, {figures['n_impostor']:,} impostor; EER "
        f"{figures['equal_error_rate']:.3%} (95 % {eer['low']:.3%} - {eer['high']:.3%}), AUC "
        f"{figures['area_under_curve']:.5f} ({area['low']:.5f} - {area['high']:.5f})"
    )
    table = Table()
    for column in ("FMR at most", "threshold", "FMR", "95 %", "TAR", "95 %", "intervals"):
        table.add_column(column, justify="right")
    for measured in summary.points:
        point = measured.point
        table.add_row(
            f"{point.target_fmr:.0e}",
            f"{point.threshold:.4f}",
            f"{point.fmr:.2e}",
            f"{measured.fmr_interval.low:.1e} - {measured.fmr_interval.high:.1e}",
            f"{point.tar:.2%}",
            f"{measured.tar_interval.low:.2%} - {measured.tar_interval.high:.2%}",
            f"{measured.fmr_interval.method.split()[0]}, {measured.tar_interval.method.split()[0]}",
        )
    if summary.points:
        out.print(table)
    else:
        say("too few impostor comparisons for any rate (3 / n must be at most 0.1)")


def _print_distractors(rows: list[dict[str, Any]] | None) -> None:
    if not rows:
        return
    table = Table(
        title=f"mate among the first k, {rows[0]['n_searches']:,} searches", title_justify="left"
    )
    ranks = list(rows[0]["rank"])
    for column in ("distractors", *(word for rank in ranks for word in (f"rank-{rank}", "95 %"))):
        table.add_column(column, justify="right")
    for row in rows:
        cells = []
        for rank in ranks:
            interval = row["rank"][rank]["interval"]
            cells += [
                f"{row['rank'][rank]['rate']:.2%}",
                f"{interval['low']:.2%} - {interval['high']:.2%}",
            ]
        table.add_row(f"{row['n_distractors']:,}", *cells)
    out.print(table)


def _print_searches(report: Mapping[str, Any]) -> None:
    identification = report.get("identification")
    if not identification:
        return
    galleries = report.get("galleries")
    trials = report.get("open_set_identification")
    name = "1:N" if trials is None else f"1:N, mean of {len(trials['thresholds'])} trials, in all"
    if galleries:
        name = f"1:N, mean of the galleries {', '.join(galleries)}"
    _print_identification(name, identification)
    for gallery, figures in (galleries or {}).items():
        _print_identification(f"1:N, gallery {gallery}", figures)


def _print_identification(name: str, figures: Mapping[str, Any]) -> None:
    ranks = ", ".join(
        f"rank-{rank} {row['rate']:.2%} (95 % {row['interval']['low']:.2%} - "
        f"{row['interval']['high']:.2%})"
        for rank, row in figures["rank"].items()
    )
    say(
        f"{name}, {figures['n_enrolled']:,} enrolled, {figures['n_mated']:,} searches for them: "
        f"{ranks}"
    )
    for row in figures["open_set"]:
        interval = row["fnir_interval"]
        say(
            f"  FPIR at most {row['target_fpir']:.0e} ({figures['n_strangers']:,} strangers): "
            f"FNIR {row['fnir']:.2%} (95 % {interval['low']:.2%} - {interval['high']:.2%}), "
            f"TPIR {row['tpir']:.2%}"
        )


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:.2%}"
