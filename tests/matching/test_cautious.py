import pytest

from vultus.core.errors import CalibrationError
from vultus.core.text import option_words
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.matching.calibration import Calibration
from vultus.matching.cautious import cautious_table

TABLE = ThresholdTable((Threshold(0.5, 1e-3, 10_000, "inside the worst of 4 groups"),))


def test_the_cards_table_is_given_as_it_is() -> None:
    assert cautious_table(TABLE, model="m") is TABLE


def test_a_model_without_one_is_refused() -> None:
    with pytest.raises(CalibrationError, match="known of model 'm': nobody measured groups"):
        cautious_table(ThresholdTable(), model="m")


def test_a_site_that_measured_no_groups_is_refused(tiny_calibration: Calibration) -> None:
    with pytest.raises(CalibrationError, match=r"of people did not .* \(use_calibration\(None\)\)"):
        cautious_table(TABLE, model="m", calibration=tiny_calibration)
    with option_words(), pytest.raises(CalibrationError, match="--calibration none"):
        cautious_table(TABLE, model="m", calibration=tiny_calibration)
