"""The tables of a report: text cells from the figures that its JSON holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from vultus.evaluation.report.benchmark_tables import benchmark_tables
from vultus.evaluation.report.cells import MISSING, Cell, Table, interval_text, rate_text

OWN, EVERY = "the protocol's comparisons", "every photo against every other"


def overview_table(protocols: Sequence[Mapping[str, Any]]) -> Table:
    """One row a model, one column a protocol: accuracy, and TAR at one FMR.

    Args:
        protocols: ``protocols`` of `Comparison.to_dict`.
    """
    labels = dict.fromkeys(model["label"] for group in protocols for model in group["models"])
    rows = []
    for label in labels:
        cells = [Cell(label)]
        for group in protocols:
            found = [model for model in group["models"] if model["label"] == label]
            cells.append(_overview(found[0]["result"]) if found else Cell(MISSING))
        rows.append(tuple(cells))
    head = ("model", *(group["protocol"] for group in protocols))
    return Table("Overview", head, tuple(rows))


def protocol_tables(models: Sequence[Mapping[str, Any]], *, speed: bool = False) -> list[Table]:
    """The figures of one protocol.

    Args:
        models: ``models`` of one protocol of `Comparison.to_dict`.
        speed: Also how fast, and how large the model is.
    """
    tables = [_figures(models, speed=speed)]
    # Over trials the comparisons are those of the whole, beside the means.
    trials = any(model["result"].get("verification") for model in models)
    tables += _points(f"TAR at FMR, {EVERY if trials else OWN}", models, ())
    tables += _points(f"TAR at FMR, {EVERY}", models, ("all_pairs",))
    tables += _identification(models)
    tables += benchmark_tables(models)
    tables += _reject(models)
    return tables


def provenance_tables(models: Sequence[Mapping[str, Any]]) -> list[Table]:
    """What exactly was measured: weights, settings, engines, versions, files.

    Args:
        models: ``models`` of one protocol of `Comparison.to_dict`.
    """
    runs = tuple(_run(model) for model in models)
    head = ("model", "weights sha256", "preprocessing", "faces", "runtime", "versions", "measured")
    tables = [Table("What was measured", head, runs, code=True)]
    files = {
        (name, digest): None
        for model in models
        for name, digest in model["result"].get("files_sha256", {}).items()
    }
    if files:
        rows = tuple((Cell(name), Cell(digest)) for name, digest in files)
        tables.append(Table("Files of the protocol", ("file", "sha256"), rows, code=True))
    return tables


def _overview(result: Mapping[str, Any]) -> Cell:
    tar = (
        ""
        if result["far"] is None
        else f"TAR {result['tar_at_far']:.2%} at {rate_text(result['far'])}"
    )
    if result["accuracy"] is None:
        return Cell(tar or MISSING)
    return Cell(_accuracy(result).text, tar)


def _figures(models: Sequence[Mapping[str, Any]], *, speed: bool) -> Table:
    head = ["model", "accuracy", "EER", "AUC", "genuine", "impostor", "photos", "without a face"]
    rows = []
    for model in models:
        result = model["result"]
        cells = [
            Cell(model["label"]),
            _accuracy(result),
            Cell(f"{result['equal_error_rate']:.3%}", _eer_interval(result)),
            Cell(f"{result['area_under_curve']:.5f}", _area_interval(result)),
            *(Cell(f"{result[key]:,}") for key in ("n_genuine", "n_impostor", "n_photos")),
            Cell(f"{result['failures']:,}"),
        ]
        rows.append((*cells, *(_speed(model) if speed else ())))
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


def _accuracy(result: Mapping[str, Any]) -> Cell:
    folds = result.get("folds")
    if folds is None:
        return Cell(MISSING)
    return Cell(
        f"{folds['accuracy']:.2%} ± {folds['standard_error']:.2%}",
        interval_text(folds["interval"]),
    )


def _eer_interval(figures: Mapping[str, Any]) -> str:
    interval = figures.get("equal_error_rate_interval")
    return "" if interval is None else f"{interval['low']:.3%} {MISSING} {interval['high']:.3%}"


def _area_interval(figures: Mapping[str, Any]) -> str:
    interval = figures.get("area_under_curve_interval")
    return "" if interval is None else f"{interval['low']:.5f} {MISSING} {interval['high']:.5f}"


def _speed(model: Mapping[str, Any]) -> tuple[Cell, Cell]:
    seconds, size = (model["cost"].get(key) for key in ("seconds", "model_bytes"))
    return (
        Cell(f"{model['result']['n_photos'] / seconds:.1f}" if seconds else MISSING),
        Cell(f"{size / 1e6:.1f} MB" if size else MISSING),
    )


def _points(title: str, models: Sequence[Mapping[str, Any]], path: Sequence[str]) -> list[Table]:
    measured: dict[str, Mapping[str, Any]] = {}
    for model in models:
        found: Any = model["result"]
        for key in path:
            found = found.get(key)
        if found is not None:
            measured[model["label"]] = found
    rates = {p["target_fmr"] for found in measured.values() for p in found["operating_points"]}
    if not rates:
        return []
    columns = sorted(rates, reverse=True)
    rows = []
    for label, found in measured.items():
        points = {point["target_fmr"]: point for point in found["operating_points"]}
        cells = [_point(points[rate]) if rate in points else Cell(MISSING) for rate in columns]
        counts = f"{found['n_genuine']:,} genuine\n{found['n_impostor']:,} impostor"
        eer = f"{found['equal_error_rate']:.3%}"
        rows.append((Cell(label, counts), Cell(eer, _eer_interval(found)), *cells))
    head = ("model", "EER", *(f"FMR ≤ {rate_text(rate)}" for rate in columns))
    return [Table(title, head, tuple(rows), _interval_note(measured.values(), rates))]


def _point(point: Mapping[str, Any]) -> Cell:
    threshold = point["threshold"]
    place = "nothing matches" if threshold is None else f"threshold {threshold:.4f}"
    return Cell(f"{point['tar']:.2%}", f"{interval_text(point['tar_interval'])}\n{place}")


def _interval_note(measured: Any, rates: set[float]) -> str:
    methods = {
        point["tar_interval"]["method"] for found in measured for point in found["operating_points"]
    }
    note = (
        "Below each TAR its 95 % interval and the threshold: the lowest whose FMR is at most the "
        f"one asked for. Intervals: {', '.join(sorted(methods))}."
    )
    claims = [{point["target_fmr"] for point in found["operating_points"]} for found in measured]
    if any(claim != rates for claim in claims):
        note += f" {MISSING}: too few impostor comparisons to carry the rate (3 / n)."
    return note


def _identification(models: Sequence[Mapping[str, Any]]) -> list[Table]:
    measured = [
        (model["label"], model["result"]["identification"])
        for model in models
        if model["result"].get("identification")
    ]
    if not measured:
        return []
    ranks = list(dict.fromkeys(rank for _, figures in measured for rank in figures["rank"]))
    rates = sorted({row["target_fpir"] for _, f in measured for row in f["open_set"]}, reverse=True)
    rows = []
    for label, figures in measured:
        open_set = {row["target_fpir"]: row for row in figures["open_set"]}
        counts = f"{figures['n_enrolled']:,} enrolled"
        rows.append(
            (
                Cell(label, counts),
                Cell(f"{figures['n_mated']:,}"),
                Cell(f"{figures['n_strangers']:,}"),
                *(_rank(figures["rank"].get(rank)) for rank in ranks),
                *(_fnir(open_set.get(rate)) for rate in rates),
            )
        )
    head = (
        "model", "searches", "strangers", *(f"rank-{rank}" for rank in ranks),
        *(f"FNIR at FPIR ≤ {rate_text(rate)}" for rate in rates),
    )  # fmt: skip
    return [Table("Identification (1:N)", head, tuple(rows))]


def _rank(row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return Cell(MISSING)
    return Cell(f"{row['rate']:.2%}", interval_text(row["interval"]))


def _fnir(row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return Cell(MISSING)
    details = [interval_text(row["fnir_interval"])] if "fnir_interval" in row else []
    if "threshold" in row:
        threshold = row["threshold"]
        found = "nobody is found" if threshold is None else f"threshold {threshold:.4f}"
        details.append(found)
    return Cell(f"{row['fnir']:.2%}", "\n".join(details))


def _reject(models: Sequence[Mapping[str, Any]]) -> list[Table]:
    rows = tuple(
        (
            Cell(model["label"]),
            Cell(name),
            Cell(f"{figures['fnmr']:.3%}", f"threshold {figures['threshold']:.4f}"),
            Cell(f"{figures['area']:.3%}"),
            Cell(f"{figures['ideal_area']:.3%}"),
        )
        for model in models
        for name, figures in model["reject"].items()
    )
    head = ("model", "quality by", "FNMR of all", "mean FNMR, refusing 0 \N{EN DASH} 20 %", "ideal")
    note = (
        "What refusing the poorest comparisons buys. A score that knows nothing leaves the mean at "
        "the FNMR of all; an oracle reaches the ideal."
    )
    return [Table("Error versus reject", head, rows, note)] if rows else []


def _run(model: Mapping[str, Any]) -> tuple[Cell, ...]:
    result, software = model["result"], model["software"]
    space = result["model"]
    detector, select = result.get("detector"), result.get("select")
    faces = "aligned crops" if detector is None else f"{detector}, {select}"
    if "embeddings" in result:
        faces = "stored embeddings"
    settings = ", ".join(f"{name} {value}" for name, value in result.get("settings", {}).items())
    versions = ", ".join(f"{name} {version}" for name, version in software.items())
    return (
        Cell(model["label"], space["model"]),
        Cell(str(space.get("weights_sha256", MISSING))),
        Cell(str(space.get("preprocessing", MISSING)), f"{space.get('dim', MISSING)}-d"),
        Cell(faces, settings),
        Cell(str(result.get("runtime", MISSING))),
        Cell(versions),
        Cell(model["created"]),
    )
