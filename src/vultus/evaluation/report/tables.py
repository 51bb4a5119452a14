"""The tables of a report: text cells from the figures of the records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vultus.evaluation.measures.intervals import Interval
from vultus.evaluation.protocols.figures import (
    ComparisonFigures,
    EvaluationFigures,
    IdentificationFigures,
    OpenSetFigures,
    PointFigures,
    RankFigures,
    RunFigures,
)
from vultus.evaluation.report.comparison import Entry, ProtocolGroup

MISSING = "\N{EN DASH}"
OWN, EVERY = "the protocol's comparisons", "every photo against every other"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what to read first, and what stands below it in small.

    Attributes:
        text: Plain text.
        detail: Plain text, may be empty or of several lines.
    """

    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names a model or a file.

    Attributes:
        title: Plain text.
        head: One a column.
        rows: As long as the head.
        note: A paragraph below, may be empty.
        code: The cells are digests and settings, not figures.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    code: bool = False


def overview_table(groups: Sequence[ProtocolGroup]) -> Table:
    """One row a model, one column a protocol: accuracy, and TAR at one FMR.

    Args:
        groups: All of the report.
    """
    labels = dict.fromkeys(entry.label for group in groups for entry in group.entries)
    rows = []
    for label in labels:
        cells = [Cell(label)]
        for group in groups:
            found = [entry for entry in group.entries if entry.label == label]
            cells.append(_overview(found[0].record.result) if found else Cell(MISSING))
        rows.append(tuple(cells))
    head = ("model", *(group.protocol for group in groups))
    return Table("Overview", head, tuple(rows))


def protocol_tables(entries: Sequence[Entry], *, speed: bool = False) -> list[Table]:
    """The figures of one protocol.

    Args:
        entries: All models on it.
        speed: Also how fast, and how large the model is.
    """
    results = {entry.label: entry.record.result for entry in entries}
    # Over trials the comparisons are those of the whole, beside the means.
    trials = any(result.verification for result in results.values())
    all_pairs = {
        label: result.all_pairs for label, result in results.items() if result.all_pairs is not None
    }
    return [
        _summary(entries, speed=speed),
        *_points(f"TAR at FMR, {EVERY if trials else OWN}", results),
        *_points(f"TAR at FMR, {EVERY}", all_pairs),
        *_identification(results),
        *_distractors(results),
        *_trials(results),
        *_galleries(results),
        *_reject(entries),
    ]


def provenance_tables(entries: Sequence[Entry]) -> list[Table]:
    """What exactly was measured: weights, settings, engines, versions, files.

    Args:
        entries: All models on one protocol.
    """
    head = ("model", "weights sha256", "preprocessing", "faces", "runtime", "versions", "measured")
    tables = [Table("What was measured", head, tuple(map(_run, entries)), code=True)]
    listed = (entry.record.result.files_sha256.items() for entry in entries)
    files = dict.fromkeys(file for files in listed for file in files)
    if files:
        rows = tuple((Cell(name), Cell(digest)) for name, digest in files)
        tables.append(Table("Files of the protocol", ("file", "sha256"), rows, code=True))
    return tables


def rate_text(rate: float) -> str:
    """A small rate as papers write it: ``1e-3``, ``3.2e-4``."""
    mantissa, _, exponent = f"{rate:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _interval_text(interval: Interval | None, form: str = ".2%") -> str:
    """Both ends of an interval; nothing where a file of an older version has none."""
    return "" if interval is None else f"{interval.low:{form}} {MISSING} {interval.high:{form}}"


def _overview(result: EvaluationFigures) -> Cell:
    far, rate = result.far, result.tar_at_far
    tar = "" if far is None or rate is None else f"TAR {rate:.2%} at {rate_text(far)}"
    return Cell(tar or MISSING) if result.folds is None else Cell(_accuracy(result).text, tar)


def _summary(entries: Sequence[Entry], *, speed: bool) -> Table:
    head = ["model", "accuracy", "EER", "AUC", "genuine", "impostor", "photos", "without a face"]
    rows = []
    for entry in entries:
        result = entry.record.result
        counts = (result.n_genuine, result.n_impostor, result.n_photos, result.failures)
        area = _interval_text(result.area_under_curve_interval, ".5f")
        cells = [
            Cell(entry.label),
            _accuracy(result),
            _equal_error(result),
            Cell(f"{result.area_under_curve:.5f}", area),
            *(Cell(f"{count:,}") for count in counts),
        ]
        rows.append((*cells, *(_speed(entry) if speed else ())))
    note = (
        "Accuracy over folds, each judged with the threshold of the others; after ± the "
        "standard error of the mean. Below each figure its 95 % interval, of EER and AUC with "
        "comparisons taken as independent. Photos without a face count as errors."
    )
    if speed:
        head += ["photos/s", "model size"]
        note += (
            " Speed is that of reading, detecting and embedding all photos of the run; compare it "
            "only between runs on one machine."
        )
    return Table("Summary", tuple(head), tuple(rows), note)


def _accuracy(result: EvaluationFigures) -> Cell:
    folds = result.folds
    if folds is None:
        return Cell(MISSING)
    told = f"{folds.accuracy:.2%} ± {folds.standard_error:.2%}"
    return Cell(told, _interval_text(folds.interval))


def _equal_error(figures: ComparisonFigures) -> Cell:
    interval = _interval_text(figures.equal_error_rate_interval, ".3%")
    return Cell(f"{figures.equal_error_rate:.3%}", interval)


def _speed(entry: Entry) -> tuple[Cell, Cell]:
    cost, n_photos = entry.record.cost, entry.record.result.n_photos
    return (
        Cell(f"{n_photos / cost.seconds:.1f}" if cost.seconds else MISSING),
        Cell(f"{cost.model_bytes / 1e6:.1f} MB" if cost.model_bytes else MISSING),
    )


def _points(title: str, measured: Mapping[str, ComparisonFigures]) -> Iterator[Table]:
    claims = [
        {point.target_fmr: point for point in figures.operating_points}
        for figures in measured.values()
    ]
    rates = sorted({rate for points in claims for rate in points}, reverse=True)
    if not rates:
        return
    rows = []
    for (label, figures), points in zip(measured.items(), claims, strict=True):
        counts = f"{figures.n_genuine:,} genuine\n{figures.n_impostor:,} impostor"
        cells = (_point(points.get(rate)) for rate in rates)
        rows.append((Cell(label, counts), _equal_error(figures), *cells))
    methods = {point.tar_interval.method for points in claims for point in points.values()}
    note = (
        "Below each TAR its 95 % interval and the threshold: the lowest whose FMR is at most the "
        f"one asked for. Intervals: {', '.join(sorted(methods))}."
    )
    if any(len(points) != len(rates) for points in claims):
        note += f" {MISSING}: too few impostor comparisons to carry the rate (3 / n)."
    head = ("model", "EER", *(f"FMR ≤ {rate_text(rate)}" for rate in rates))
    yield Table(title, head, tuple(rows), note)


def _point(point: PointFigures | None) -> Cell:
    if point is None:
        return Cell(MISSING)
    place = _threshold(point.threshold, "nothing matches")
    return Cell(f"{point.tar:.2%}", f"{_interval_text(point.tar_interval)}\n{place}")


def _threshold(threshold: float | None, nobody: str) -> str:
    return nobody if threshold is None else f"threshold {threshold:.4f}"


def _identification(results: Mapping[str, EvaluationFigures]) -> Iterator[Table]:
    measured = {
        label: result.identification for label, result in results.items() if result.identification
    }
    if not measured:
        return
    ranks = dict.fromkeys(rank for figures in measured.values() for rank in figures.rank)
    targets = {row.target_fpir for figures in measured.values() for row in figures.open_set}
    rates = sorted(targets, reverse=True)
    rows = []
    for label, figures in measured.items():
        open_set = {row.target_fpir: row for row in figures.open_set}
        rows.append(
            (
                Cell(label, f"{figures.n_enrolled:,} enrolled"),
                Cell(f"{figures.n_mated:,}"),
                Cell(f"{figures.n_strangers:,}"),
                *(_rank(figures.rank.get(rank)) for rank in ranks),
                *(_fnir(open_set.get(rate)) for rate in rates),
            )
        )
    head = (
        "model", "searches", "strangers", *(f"rank-{rank}" for rank in ranks),
        *(f"FNIR at FPIR ≤ {rate_text(rate)}" for rate in rates),
    )  # fmt: skip
    yield Table("Identification (1:N)", head, tuple(rows))


def _rank(figures: RankFigures | None) -> Cell:
    if figures is None:
        return Cell(MISSING)
    return Cell(f"{figures.rate:.2%}", _interval_text(figures.interval))


def _fnir(row: OpenSetFigures | None) -> Cell:
    if row is None:
        return Cell(MISSING)
    # The thresholds of several galleries would not fit into a cell.
    threshold = "" if row.thresholds else _threshold(row.threshold, "nobody is found")
    details = (_interval_text(row.fnir_interval), threshold)
    return Cell(f"{row.fnir:.2%}", "\n".join(filter(None, details)))


def _distractors(results: Mapping[str, EvaluationFigures]) -> Iterator[Table]:
    measured = {
        label: {row.n_distractors: row for row in result.distractors}
        for label, result in results.items()
        if result.distractors
    }
    sizes = sorted({size for rows in measured.values() for size in rows})
    ranks = (rank for rows in measured.values() for row in rows.values() for rank in row.rank)
    for rank in dict.fromkeys(ranks):
        table = []
        for label, rows in measured.items():
            n_searches = max(row.n_searches for row in rows.values())
            cells = (_rank(rows[size].rank.get(rank) if size in rows else None) for size in sizes)
            table.append((Cell(label, f"{n_searches:,} searches"), *cells))
        head = ("model", *(f"{size:,} distractors" for size in sizes))
        note = (
            "Every photo is searched for among the distractors and one other photo of the person, "
            "each in turn; people are drawn for the intervals."
        )
        yield Table(f"Mate among the first {rank}", head, tuple(table), note)


def _trials(results: Mapping[str, EvaluationFigures]) -> Iterator[Table]:
    tables: dict[str, list[tuple[Cell, ...]]] = {}
    for label, result in results.items():
        for name, asked, rate, figures in result.over_trials():
            spread = "" if figures.std is None else f" ± {figures.std:.2%}"
            less = figures.mean_minus_std
            row = (
                Cell(label, f"{asked} at most {rate_text(rate)}"),
                Cell(f"{figures.mean:.2%}{spread}", _interval_text(figures.interval)),
                Cell(MISSING if less is None else f"{less:.2%}"),
                Cell(f"{len(figures.thresholds)}"),
            )
            tables.setdefault(name, []).append(row)
    head = ("model", "mean ± std of trials", "mean - std", "trials")
    note = (
        "Trials share people: their deviation is no standard error. Below the mean its "
        "95 % interval, from the bootstrap over people."
    )
    for name, rows in tables.items():
        yield Table(f"{name}, over trials", head, tuple(rows), note)


def _galleries(results: Mapping[str, EvaluationFigures]) -> Iterator[Table]:
    rows = tuple(
        _gallery(label, name, figures)
        for label, result in results.items()
        for name, figures in (result.galleries or {}).items()
    )
    if rows:
        head = ("model", "gallery", "searches", "strangers", "closed set", "open set")
        note = "The table above is the mean of these; curves pool the searches of all galleries."
        yield Table("Each gallery", head, rows, note)


def _gallery(label: str, name: str, figures: IdentificationFigures) -> tuple[Cell, ...]:
    ranks = [f"rank-{rank} {row.rate:.2%}" for rank, row in figures.rank.items()]
    open_set = [
        f"TPIR {1 - row.fnir:.2%} at FPIR ≤ {rate_text(row.target_fpir)}"
        for row in figures.open_set
    ]
    return (
        Cell(label),
        Cell(name, f"{figures.n_enrolled:,} enrolled"),
        Cell(f"{figures.n_mated:,}"),
        Cell(f"{figures.n_strangers:,}"),
        Cell(", ".join(ranks)),
        Cell("\n".join(open_set) or MISSING),
    )


def _reject(entries: Sequence[Entry]) -> Iterator[Table]:
    rows = []
    for entry in entries:
        for name, curve in entry.record.reject.items():
            areas = entry.record.reject_areas[name]
            fnmr = Cell(f"{curve.fnmr[0]:.3%}", f"threshold {curve.threshold:.4f}")
            means = (Cell(f"{area:.3%}") for area in (areas.area, areas.ideal_area))
            rows.append((Cell(entry.label), Cell(name), fnmr, *means))
    head = ("model", "quality by", "FNMR of all", "mean FNMR, refusing 0 \N{EN DASH} 20 %", "ideal")
    note = (
        "What refusing the poorest comparisons buys. A score that knows nothing leaves the mean at "
        "the FNMR of all; an oracle reaches the ideal."
    )
    if rows:
        yield Table("Error versus reject", head, tuple(rows), note)


def _run(entry: Entry) -> tuple[Cell, ...]:
    record, result = entry.record, entry.record.result
    space = result.model
    settings = ", ".join(f"{name} {value}" for name, value in result.settings.items())
    versions = ", ".join(f"{name} {version}" for name, version in record.software.items())
    return (
        Cell(entry.label, space.model),
        Cell(space.weights_sha256),
        Cell(space.preprocessing, f"{space.dim}-d"),
        Cell(_faces(result), settings),
        Cell(result.runtime),
        Cell(versions),
        Cell(record.created),
    )


def _faces(result: RunFigures) -> str:
    if result.embeddings is not None:
        return "stored embeddings"
    return "aligned crops" if result.detector is None else f"{result.detector}, {result.select}"
