import dataclasses
import json

import numpy as np

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.thresholds import EXTRAPOLATED_PAIRS, Threshold
from vultus.matching.fnir_curves import FnirCurves, FnirLevel
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel, RateSpread
from vultus.matching.model_rates import ModelRates, rates_from_package, rates_to_json

SPACE = EmbeddingSpace("m", "0" * 64, "none", 8)
GRID = np.array([0.2, 0.4, 0.6, 0.8])
LEVEL = PhotoLevel(
    1,
    tuple(FpirCurve(n, GRID, np.array([0.4, 0.1, 1e-3, 1e-6])) for n in (1, 500)),
    *(1000, 1000, 1200),
)
FPIR = FpirCurves((LEVEL,), "made up", RateSpread(GRID, GRID / 2, 1 + GRID), EXTRAPOLATED_PAIRS)
FNIR = FnirCurves((FnirLevel(1, 40, 80, GRID, GRID / 2, GRID),), "others")


def test_a_file_gives_what_went_into_it() -> None:
    curves, misses = rates_from_package(rates_to_json(SPACE, FPIR, (FNIR, FNIR)), SPACE)
    assert curves is not None
    assert curves.to_dict() == FPIR.to_dict()
    assert [found.to_dict() for found in misses] == [FNIR.to_dict()] * 2


def test_rates_of_another_space_or_format_say_nothing() -> None:
    text = rates_to_json(SPACE, FPIR, (FNIR,))
    assert rates_from_package(text, dataclasses.replace(SPACE, preprocessing="x")) == (None, ())
    later = json.dumps(json.loads(text) | {"format": "vultus-model-rates-9"})
    assert rates_from_package(later, SPACE) == (None, ())


def test_rates_are_a_table_of_thresholds() -> None:
    rates = ModelRates((Threshold(0.4, 1e-3, 100_000),), FPIR, (FNIR,))
    assert rates.at_fmr(1e-2).similarity == 0.4
    assert rates != dataclasses.replace(rates, max_fnir=1.0)
