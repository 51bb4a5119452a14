"""Thresholds for a model from faces of known people: what goes onto a model card."""

from vultus.core.errors import CalibrationError
from vultus.core.thresholds import ThresholdTable
from vultus.evaluation.allpairs import AllPairs
from vultus.evaluation.rates import operating_point
from vultus.evaluation.summary import claimable

__all__ = ["threshold_table"]


def threshold_table(pairs: AllPairs, *, origin: str) -> ThresholdTable:
    """The thresholds at 1e-1, 1e-2 ... 1e-6, as far as the impostor comparisons carry them.

    The people must not have been used to train the model, and should be like those that it will
    meet. Two names for one person, or a photo filed under the wrong name, raise the strictest
    thresholds: look at the pictures of ``pairs.tail_pairs[:50]`` first.

    Args:
        pairs: Every face against every other, of `all_pairs`.
        origin: Where the faces come from, in words; stands on every threshold.

    Returns:
        Measured points only; each says its FMR and on how many comparisons.

    Raises:
        CalibrationError: If there are fewer than 30 impostor comparisons (3 / n > 0.1).
        InputError: If there is no genuine or no impostor comparison.
    """
    curve = pairs.curve()
    rates = claimable(curve.n_impostor)
    if not rates:
        raise CalibrationError(
            "calibration needs at least 30 impostor comparisons, "
            f"got {curve.n_impostor}; bring more people"
        )
    points = [operating_point(curve, fmr=rate) for rate in rates]
    # Two targets may meet at one threshold; it is told once.
    distinct = {point.threshold: point for point in points}
    return ThresholdTable(tuple(point.to_threshold(origin) for point in distinct.values()))
