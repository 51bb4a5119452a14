"""What is known of a model's error rates without a calibration of one's own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vultus.core.choices import DEFAULT_MAX_FNIR
from vultus.core.embeddings import EmbeddingSpace
from vultus.core.thresholds import COUNTED_PAIRS, ThresholdTable
from vultus.matching.fnir_curves import FnirCurves, FnirLevel
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel, RateSpread
from vultus.matching.stretch import Stretch

RATES_FORMAT = "vultus-model-rates-1"


@dataclass(frozen=True, slots=True)
class ModelRates(ThresholdTable):
    """The thresholds on a model's card, and what searches with it were measured to give.

    Attributes:
        fpir_curves: FPIR by gallery size and photos per person; None where nobody measured it.
        fnir_curves: How often enrolled people are missed, of one or more kinds of people; the
            first is told, the highest upper end of all with it.
        max_fnir: A search that misses a larger share is refused, in [0, 1].
    """

    fpir_curves: FpirCurves | None = None
    fnir_curves: tuple[FnirCurves, ...] = ()
    max_fnir: float = DEFAULT_MAX_FNIR


def rates_to_json(
    space: EmbeddingSpace, fpir_curves: FpirCurves, fnir_curves: tuple[FnirCurves, ...]
) -> str:
    """The file of a model's search rates that comes with Vultus; `rates_from_package` reads it."""
    values = {
        "format": RATES_FORMAT,
        "space": space.to_dict(),
        "gallery_rates": fpir_curves.to_dict(),
        "misses": [curves.to_dict() for curves in fnir_curves],
    }
    return json.dumps(_rounded(values), separators=(",", ":")) + "\n"


def rates_from_package(
    text: str, space: EmbeddingSpace
) -> tuple[FpirCurves | None, tuple[FnirCurves, ...]]:
    """Read such a file of the package without pydantic, which takes longer to load than this.

    Args:
        text: Of the file.
        space: Of the embeddings that will be judged; rates of another space say nothing.

    Returns:
        None and nothing where the file is of another space.
    """
    values = json.loads(text)
    if values["format"] != RATES_FORMAT or values["space"] != space.to_dict():
        return None, ()
    return _fpir_curves(values["gallery_rates"]), tuple(map(_fnir_curves, values["misses"]))


def _fpir_curves(values: Mapping[str, Any]) -> FpirCurves:
    levels = [
        PhotoLevel(
            level["photos_per_person"],
            tuple(
                FpirCurve(curve["size"], *_arrays(curve, "similarities", "fpirs"))
                for curve in level["curves"]
            ),
            level["n_people"],
            level["n_strangers"],
            level["n_searches"],
        )
        for level in values["levels"]
    ]
    spread = values.get("spread")
    return FpirCurves(
        tuple(levels),
        values["origin"],
        None if spread is None else RateSpread(*_arrays(spread, "similarities", "lows", "highs")),
        values.get("least_pairs", COUNTED_PAIRS),
        tuple(Stretch(**stretch) for stretch in values.get("stretches", ())),
    )


def _fnir_curves(values: Mapping[str, Any]) -> FnirCurves:
    levels = []
    for level in values["levels"]:
        similarities, fnirs, highs = _arrays(level, "similarities", "fnirs", "highs")
        photos, people, searches = (
            level[name] for name in ("photos_per_person", "n_people", "n_searches")
        )
        probe = level.get("photos_per_probe", 1)
        levels.append(FnirLevel(photos, people, searches, similarities, fnirs, highs, probe))
    return FnirCurves(tuple(levels), values["origin"])


def _arrays(values: Mapping[str, Any], *names: str) -> list[Any]:
    return [np.array(values[name], np.float64) for name in names]


def _rounded(values: Any) -> Any:
    """Six digits of every number: more than the people carry."""
    if isinstance(values, dict):
        return {key: _rounded(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return float(f"{values:.6g}") if isinstance(values, float) else values
