"""Deciding by thresholds that hold inside the worst group of people that was measured."""

from vultus.core.errors import CalibrationError
from vultus.core.text import argument
from vultus.core.thresholds import ThresholdTable
from vultus.matching.calibration import Calibration


def cautious_table(
    table: ThresholdTable, *, model: str, calibration: Calibration | None = None
) -> ThresholdTable:
    """The cautious thresholds of a model's card, if a decision may stand on them.

    Args:
        table: The card's; may be empty.
        model: Its name, for messages.
        calibration: This site's, if one is in use. It knows no groups, and a card's threshold
            beside it would answer for other photos than the site's.

    Raises:
        CalibrationError: If the card has none, or a calibration is in use.
    """
    if calibration is not None:
        raise CalibrationError(
            f"no cautious threshold is known here: the calibration of {calibration.data.name} did "
            f"not measure groups of people. Judge by the model card ({_no_calibration()}), or "
            "without being cautious"
        )
    if not table.points:
        raise CalibrationError(
            f"no cautious threshold is known of model {model!r}: nobody measured groups of people "
            "with it (`vultus evaluate groups`), or it is used in another way than its card says; "
            f"decide by {argument('fmr')} alone, or by {argument('threshold')}, set by hand"
        )
    return table


def _no_calibration() -> str:
    option = argument("calibration", "none")
    return option if option.startswith("--") else "use_calibration(None)"
