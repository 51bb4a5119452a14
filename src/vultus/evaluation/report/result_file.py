"""Evaluation records as JSON files."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vultus.core.errors import InputError
from vultus.core.files import write_text
from vultus.evaluation.measures.error_versus_reject import RejectCurve
from vultus.evaluation.measures.histogram import ScoreHistogram
from vultus.evaluation.measures.identification import CmcCurve
from vultus.evaluation.measures.rates import RocCurve
from vultus.evaluation.report.record import EvaluationRecord, ScoredPair
from vultus.evaluation.report.shape import check_figures

FORMAT = "vultus-evaluation-1"


def save_record(path: Path, record: EvaluationRecord) -> None:
    """Write a record; an existing file is replaced.

    Raises:
        InputError: If the folder does not exist.
    """
    text = json.dumps(_to_dict(record), ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def load_record(path: Path) -> EvaluationRecord:
    """Read what `save_record` wrote.

    Raises:
        InputError: If the file cannot be read, is no such file, or its curves cannot be.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON file: {error}") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise InputError(
            f"{path} must be a result of `vultus evaluate ... --output FILE` ({FORMAT}), "
            f"got format {found!r}"
        )
    try:
        return _from_dict(content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _to_dict(record: EvaluationRecord) -> dict[str, Any]:
    histogram, ranks = record.histogram, record.cmc
    return {
        "format": FORMAT,
        "created": record.created,
        "software": dict(record.software),
        "cost": dict(record.cost),
        "result": dict(record.result),
        "curves": {name: _curve_to_dict(curve) for name, curve in record.curves.items()},
        "histogram": None
        if histogram is None
        else {name: getattr(histogram, name).tolist() for name in ("edges", "genuine", "impostor")},
        "cmc": None
        if ranks is None
        else {"n_found": ranks.n_found.tolist(), "n_searches": ranks.n_searches},
        "reject": {name: _reject_to_dict(curve) for name, curve in record.reject.items()},
        "reject_areas": {name: dict(areas) for name, areas in record.reject_areas.items()},
        "worst_genuine": [_pair_to_list(pair) for pair in record.worst_genuine],
        "worst_impostor": [_pair_to_list(pair) for pair in record.worst_impostor],
    }


def _from_dict(content: Mapping[str, Any]) -> EvaluationRecord:
    result = content["result"]
    check_figures(result)
    histogram, ranks = content["histogram"], content["cmc"]
    curves = {str(name): _curve(values) for name, values in content["curves"].items()}
    if content["reject"].keys() != content["reject_areas"].keys():
        raise InputError("reject and reject_areas must have the same names")
    return EvaluationRecord(
        result,
        {"comparisons": curves["comparisons"], **curves},
        None if histogram is None else _histogram(histogram),
        None if ranks is None else _cmc(ranks),
        {str(name): _reject(values) for name, values in content["reject"].items()},
        {
            str(name): {key: float(areas[key]) for key in ("area", "ideal_area")}
            for name, areas in content["reject_areas"].items()
        },
        tuple(_pair(values) for values in content["worst_genuine"]),
        tuple(_pair(values) for values in content["worst_impostor"]),
        str(content["created"]),
        {str(name): str(version) for name, version in content["software"].items()},
        {str(name): float(value) for name, value in content["cost"].items()},
    )


def _curve_to_dict(curve: RocCurve) -> dict[str, Any]:
    # The first threshold is inf, which JSON has no word for; it is left out.
    return {
        "thresholds": curve.thresholds[1:].tolist(),
        "n_false_matches": curve.n_false_matches[1:].tolist(),
        "n_true_matches": curve.n_true_matches[1:].tolist(),
        "n_genuine": curve.n_genuine,
        "n_impostor": curve.n_impostor,
    }


def _curve(values: Mapping[str, Any]) -> RocCurve:
    return RocCurve(
        np.array([math.inf, *values["thresholds"]], np.float64),
        np.array([0, *values["n_false_matches"]], np.int64),
        np.array([0, *values["n_true_matches"]], np.int64),
        values["n_genuine"],
        values["n_impostor"],
    )


def _histogram(values: Mapping[str, Any]) -> ScoreHistogram:
    return ScoreHistogram(
        np.array(values["edges"], np.float64),
        np.array(values["genuine"], np.int64),
        np.array(values["impostor"], np.int64),
    )


def _cmc(values: Mapping[str, Any]) -> CmcCurve:
    found, searches = np.array(values["n_found"], np.int64), int(values["n_searches"])
    if not len(found) or (np.diff(found) < 0).any() or not 0 <= found[-1] <= searches:
        raise InputError("n_found must rise to at most n_searches, got others")
    return CmcCurve(found, searches)


def _reject_to_dict(curve: RejectCurve) -> dict[str, Any]:
    return {
        "rejected": curve.rejected.tolist(),
        "fnmr": curve.fnmr.tolist(),
        "n_left": curve.n_left.tolist(),
        "threshold": curve.threshold,
        "n_genuine": curve.n_genuine,
    }


def _reject(values: Mapping[str, Any]) -> RejectCurve:
    curve = RejectCurve(
        np.array(values["rejected"], np.float64),
        np.array(values["fnmr"], np.float64),
        np.array(values["n_left"], np.int64),
        float(values["threshold"]),
        int(values["n_genuine"]),
    )
    if not curve.rejected.shape == curve.fnmr.shape == curve.n_left.shape != (0,):
        raise InputError("rejected, fnmr and n_left of a reject curve must be of one length")
    return curve


def _pair_to_list(pair: ScoredPair) -> list[str | float]:
    return [pair.first, pair.second, pair.similarity]


def _pair(values: Any) -> ScoredPair:
    first, second, similarity = values
    return ScoredPair(str(first), str(second), float(similarity))
