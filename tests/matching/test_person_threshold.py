import numpy as np
import pytest

from vultus.core.errors import CalibrationError
from vultus.core.thresholds import Threshold
from vultus.matching.fnir_curves import FnirCurves, FnirLevel
from vultus.matching.fpir_curves import FpirCurves
from vultus.matching.fpir_levels import FpirCurve, PhotoLevel
from vultus.matching.model_rates import ModelRates
from vultus.matching.person_threshold import threshold_for_person
from vultus.matching.stretch import Stretch

POINTS = (
    Threshold(0.3, 1e-2, 1_000_000, "card"),
    Threshold(0.4, 1e-3, 1_000_000, "card"),
    Threshold(0.5, 1e-4, 1_000_000, "card"),
)
CURVE = FpirCurve(1, np.array([0.1, 0.28, 0.45]), np.array([0.1, 1e-2, 1e-4]))
STRETCHES = (
    Stretch(1, 1, 1.0, 1.0, 1.0, 400),
    Stretch(1, 3, 1.05, 1.02, 1.1, 200),
    Stretch(3, 1, 1.05, 1.02, 1.1, 200),
    Stretch(3, 3, 1.2, 1.1, 1.3, 200),
)
MISSES = FnirCurves(
    (FnirLevel(1, 40, 80, np.array([0.2, 0.9]), np.array([0.1, 0.9]), np.array([0.2, 0.95])),),
    "some",
)
RATES = ModelRates(
    POINTS,
    FpirCurves((PhotoLevel(1, (CURVE,), 1000, 1000, 1000),), "strangers", stretches=STRETCHES),
    (MISSES,),
)


def test_what_strangers_carry_is_taken_from_them() -> None:
    rule = threshold_for_person(RATES, fmr=1e-2, photos_per_person=1)
    assert rule.similarity == pytest.approx(0.28, abs=1e-3)
    assert "strangers" in rule.origin


@pytest.mark.parametrize(
    ("probe", "person", "factor"), [(1, 1, 1.0), (1, 2, 1.1), (2, 1, 1.1), (8, 8, 1.3)]
)
def test_stricter_rates_are_those_of_pairs_raised(probe: int, person: int, factor: float) -> None:
    rule = threshold_for_person(RATES, fmr=1e-3, photos_per_person=person, photos_per_probe=probe)
    assert rule.similarity == pytest.approx(0.4 * factor)
    assert rule.fmr == 1e-3
    assert "formula" not in rule.origin
    assert rule.search is not None
    assert rule.search.fnir == pytest.approx(MISSES.at(rule.similarity)[0])


def test_more_than_half_may_be_missed_of_one_person() -> None:
    strict = threshold_for_person(RATES, fmr=1e-4, photos_per_person=3)
    assert strict.search is not None
    assert strict.search.fnir is not None
    assert strict.search.fnir > 0.4


def test_what_nobody_carries_is_refused() -> None:
    with pytest.raises(CalibrationError):
        threshold_for_person(RATES, fmr=1e-6, photos_per_person=1)
    with pytest.raises(CalibrationError, match="nobody measured"):
        threshold_for_person(ModelRates(POINTS), fmr=1e-3, photos_per_person=1, photos_per_probe=2)
