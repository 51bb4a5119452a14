"""Tables of single benchmarks: distractors, trials, galleries."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vultus.evaluation.report.cells import MISSING, Cell, Table, interval_text, rate_text

TRIALS = (
    ("verification", "TAR", "far", "FAR"),
    ("open_set_identification", "DIR at rank 1", "fpir", "FPIR"),
)


def benchmark_tables(models: Sequence[Mapping[str, Any]]) -> list[Table]:
    """The tables that only some protocols have.

    Args:
        models: ``models`` of one protocol of `Comparison.to_dict`.
    """
    return [*_distractors(models), *_trials(models), *_galleries(models)]


def _distractors(models: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    measured = [
        (model["label"], {row["n_distractors"]: row for row in model["result"]["distractors"]})
        for model in models
        if model["result"].get("distractors")
    ]
    sizes = sorted({size for _, rows in measured for size in rows})
    ranks = dict.fromkeys(
        rank for _, rows in measured for row in rows.values() for rank in row["rank"]
    )
    for rank in ranks:
        table = []
        for label, rows in measured:
            n = max(row["n_searches"] for row in rows.values())
            cells = [_rank(rows[size]["rank"][rank]) if size in rows else Cell(MISSING)
                     for size in sizes]  # fmt: skip
            table.append((Cell(label, f"{n:,} searches"), *cells))
        head = ("model", *(f"{size:,} distractors" for size in sizes))
        note = (
            "Every photo is searched for among the distractors and one other photo of the person, "
            "each in turn; people are drawn for the intervals."
        )
        yield Table(f"Mate among the first {rank}", head, tuple(table), note)


def _trials(models: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    for key, name, rate, words in TRIALS:
        rows = []
        for model in models:
            figures = model["result"].get(key)
            if figures:
                spread = "" if figures["std"] is None else f" ± {figures['std']:.2%}"
                less = figures["mean_minus_std"]
                rows.append(
                    (
                        Cell(model["label"], f"{words} at most {rate_text(figures[rate])}"),
                        Cell(f"{figures['mean']:.2%}{spread}", interval_text(figures["interval"])),
                        Cell(MISSING if less is None else f"{less:.2%}"),
                        Cell(f"{len(figures['thresholds'])}"),
                    )
                )
        if rows:
            head = ("model", "mean ± std of trials", "mean - std", "trials")
            note = (
                "Trials share people: their deviation is no standard error. Below the mean its "
                "95 % interval, from the bootstrap over people."
            )
            yield Table(f"{name}, over trials", head, tuple(rows), note)


def _galleries(models: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    rows = []
    for model in models:
        for name, figures in (model["result"].get("galleries") or {}).items():
            open_set = [
                f"TPIR {row['tpir']:.2%} at FPIR ≤ {rate_text(row['target_fpir'])}"
                for row in figures["open_set"]
            ]
            ranks = [f"rank-{rank} {row['rate']:.2%}" for rank, row in figures["rank"].items()]
            rows.append(
                (
                    Cell(model["label"]),
                    Cell(name, f"{figures['n_enrolled']:,} enrolled"),
                    Cell(f"{figures['n_mated']:,}"),
                    Cell(f"{figures['n_strangers']:,}"),
                    Cell(", ".join(ranks)),
                    Cell("\n".join(open_set) if open_set else MISSING),
                )
            )
    if rows:
        head = ("model", "gallery", "searches", "strangers", "closed set", "open set")
        note = "The table above is the mean of these; curves pool the searches of all galleries."
        yield Table("Each gallery", head, tuple(rows), note)


def _rank(row: Mapping[str, Any]) -> Cell:
    return Cell(f"{row['rate']:.2%}", interval_text(row["interval"]))
