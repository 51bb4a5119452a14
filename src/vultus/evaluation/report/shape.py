"""What the figures of an evaluation must look like before tables are made of them."""

from collections.abc import Mapping
from typing import Any

from vultus.core.errors import InputError

_NUMBER = (int, float)
_NUMBER_OR_NONE = (int, float, type(None))
_INTERVAL = {"low": _NUMBER, "high": _NUMBER, "method": str}
_POINT = {
    "target_fmr": _NUMBER,
    "threshold": _NUMBER_OR_NONE,
    "tar": _NUMBER,
    "tar_interval": _INTERVAL,
}
COMPARISONS = {
    "n_genuine": int,
    "n_impostor": int,
    "equal_error_rate": _NUMBER,
    "area_under_curve": _NUMBER,
    "operating_points": [_POINT],
}
_FIGURES = {
    **COMPARISONS,
    "protocol": str,
    "model": {"model": str},
    "n_photos": int,
    "failures": int,
    "accuracy": _NUMBER_OR_NONE,
    "far": _NUMBER_OR_NONE,
    "tar_at_far": _NUMBER_OR_NONE,
}
_FOLDS = {"accuracy": _NUMBER, "standard_error": _NUMBER, "interval": _INTERVAL}
RANK = {"rate": _NUMBER, "interval": _INTERVAL}
_IDENTIFICATION = {
    "n_enrolled": int,
    "n_mated": int,
    "n_strangers": int,
    "rank": dict,
    "open_set": [{"target_fpir": _NUMBER, "fnir": _NUMBER}],
}
_DISTRACTORS = [{"n_distractors": int, "n_searches": int, "rank": dict}]
TRIALS = {
    "mean": _NUMBER,
    "std": _NUMBER_OR_NONE,
    "mean_minus_std": _NUMBER_OR_NONE,
    "interval": _INTERVAL,
    "thresholds": list,
}
_OPTIONAL = {
    "folds": _FOLDS,
    "all_pairs": COMPARISONS,
    "identification": _IDENTIFICATION,
    "distractors": _DISTRACTORS,
    "verification": {**TRIALS, "far": _NUMBER},
    "open_set_identification": {**TRIALS, "fpir": _NUMBER},
    "settings": dict,
}
_SUMMARY = {"equal_error_rate_interval": _INTERVAL, "area_under_curve_interval": _INTERVAL}
_OPEN_SET = {"fnir_interval": _INTERVAL, "threshold": _NUMBER_OR_NONE, "tpir": _NUMBER}


def check_figures(figures: Any) -> None:
    """Check the figures that tables show; others may be there and are left alone.

    Args:
        figures: What `ProtocolResult.to_dict` gave, read back from a file.

    Raises:
        InputError: If a figure is missing or of another kind; the message says where.
    """
    _check(figures, _FIGURES, "result")
    for key, shape in _OPTIONAL.items():
        if figures.get(key) is not None:
            _check(figures[key], shape, f"result.{key}")
    for part, where in ((figures, "result"), (figures.get("all_pairs"), "result.all_pairs")):
        known = {key: shape for key, shape in _SUMMARY.items() if part and key in part}
        if known:
            _check(part, known, where)
    if figures.get("identification") is not None:
        _check_searches(figures["identification"], "result.identification")
    for name, gallery in (figures.get("galleries") or {}).items():
        _check(gallery, _IDENTIFICATION, f"result.galleries.{name}")
        _check_searches(gallery, f"result.galleries.{name}")
    for place, row in enumerate(figures.get("distractors") or []):
        where = f"result.distractors[{place}].rank"
        _check_values(row["rank"], RANK, where)
        _check(row["rank"], {"1": RANK}, where)
    if "files_sha256" in figures:
        _check_values(figures["files_sha256"], str, "result.files_sha256")


def _check_searches(figures: Mapping[str, Any], where: str) -> None:
    _check_values(figures["rank"], RANK, f"{where}.rank")
    for place, row in enumerate(figures["open_set"]):
        known = {key: shape for key, shape in _OPEN_SET.items() if key in row}
        _check(row, known, f"{where}.open_set[{place}]")


def _check_values(values: Any, shape: Any, where: str) -> None:
    _check(values, dict, where)
    for key, value in values.items():
        _check(value, shape, f"{where}.{key}")


def _check(value: Any, shape: Any, where: str) -> None:
    """A dict asks for its keys, a list for a list of its one shape, else for one of the types."""
    if isinstance(shape, Mapping):
        _check(value, dict, where)
        for key, inner in shape.items():
            if key not in value:
                raise InputError(f"{where} must have {key!r}")
            _check(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        _check(value, list, where)
        for place, item in enumerate(value):
            _check(item, shape[0], f"{where}[{place}]")
    elif not isinstance(value, shape) or isinstance(value, bool):
        kinds = shape if isinstance(shape, tuple) else (shape,)
        names = " or ".join(kind.__name__ for kind in kinds)
        raise InputError(f"{where} must be {names}, got {type(value).__name__}")
