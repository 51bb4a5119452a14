"""Fewer points of a curve, each of them exact."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.evaluation.quality import RejectCurve
from vultus.evaluation.rates import RocCurve
from vultus.evaluation.summary import DECADES

__all__ = ["thin_curve", "thin_reject"]


def thin_curve(curve: RocCurve, *, at_fmr: Sequence[float] = (), points: int = 300) -> RocCurve:
    """Leave out thresholds that no picture would show.

    What stays is exact: `operating_point` at each of `DECADES` and of ``at_fmr``, and
    `equal_error_rate`, give what they give on the whole curve. `area_under_curve` does not.

    Args:
        curve: Any.
        at_fmr: More false match rates whose operating points must stay.
        points: How many points to keep over the decades of the FMR, and as many over those of
            the FNMR.
    """
    check_positive_int("points", points)
    rising = np.geomspace(1 / curve.n_impostor, 1, points)
    falling = np.geomspace(1 / curve.n_genuine, 1, points)
    rates = np.array([*DECADES, *at_fmr])
    crossing = int(np.searchsorted(curve.fmr - curve.fnmr, 0.0, side="left"))
    rows = np.concatenate(
        [
            [0, crossing - 1, crossing, len(curve) - 1],
            np.searchsorted(curve.fmr, np.concatenate([rising, rates]), side="right") - 1,
            # The first point whose FNMR is at most each rate; past the end where none is.
            np.searchsorted(-curve.fnmr, -falling, side="left").clip(max=len(curve) - 1),
        ]
    )
    return _rows(curve, np.unique(rows))


def _rows(curve: RocCurve, rows: npt.NDArray[np.int64]) -> RocCurve:
    return RocCurve(
        curve.thresholds[rows],
        curve.n_false_matches[rows],
        curve.n_true_matches[rows],
        curve.n_genuine,
        curve.n_impostor,
    )


def thin_reject(curve: RejectCurve, *, points: int = 300) -> RejectCurve:
    """Leave out steps of an error-versus-reject curve; those that stay are exact.

    `RejectCurve.area` of the result is not that of the whole curve: take it before.
    """
    check_positive_int("points", points)
    if len(curve.rejected) <= points:
        return curve
    wanted = np.linspace(0, curve.rejected[-1], points)
    rows = np.unique(np.searchsorted(curve.rejected, wanted, side="right") - 1)
    return RejectCurve(
        curve.rejected[rows], curve.fnmr[rows], curve.n_left[rows], curve.threshold, curve.n_genuine
    )
