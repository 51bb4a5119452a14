"""Error versus reject: what refusing the poorest faces buys, and the area under that curve."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_range
from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.core.settings_reader import Numbers
from vultus.evaluation.measures.scores import check_scores


@dataclass(frozen=True, slots=True, eq=False)
class RejectCurve:
    """FNMR of what is left after refusing the comparisons of lowest quality.

    A step function: between two rejected shares the lower one holds, since comparisons of equal
    quality are refused together.

    Attributes:
        rejected: (k,) float64, share of comparisons refused; rises from 0, below 1.
        fnmr: (k,) float64, FNMR of the others at the threshold.
        n_left: (k,) int64, how many are left.
        threshold: The one fixed threshold.
        n_genuine: How many genuine comparisons before any was refused.

    Raises:
        InputError: If the arrays are empty or differ in length.
    """

    rejected: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    fnmr: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    n_left: Annotated[npt.NDArray[np.int64], Numbers("int64")]
    threshold: float
    n_genuine: int

    def __post_init__(self) -> None:
        if not self.rejected.shape == self.fnmr.shape == self.n_left.shape != (0,):
            raise InputError("rejected, fnmr and n_left of a reject curve must be of one length")
        freeze_arrays(self)

    def at(self, rejected: float) -> float:
        """FNMR when at most this share is refused, in [0, 1)."""
        check_range("rejected", rejected, low=0, high=1, high_open=True)
        return float(self.fnmr[np.searchsorted(self.rejected, rejected, side="right") - 1])

    def area(self, *, up_to: float = 0.2) -> float:
        """Mean FNMR over rejected shares 0 .. ``up_to`` (the partial area over its width).

        Compare it with `ideal_area`, the lowest that any quality score could reach, and with
        ``fnmr[0]``, what a score that knows nothing gives on average.
        """
        check_range("up_to", up_to, low=0, high=1, low_open=True, high_open=True)
        starts = self.rejected[self.rejected < up_to]
        ends = np.append(starts[1:], up_to)
        return float(((ends - starts) * self.fnmr[: len(starts)]).sum() / up_to)

    def ideal_area(self, *, up_to: float = 0.2) -> float:
        """`area` of an oracle that refuses exactly the comparisons that fail, worst first.

        The curve (e - r) / (1 - r), e being the FNMR before any refusal.
        """
        check_range("up_to", up_to, low=0, high=1, low_open=True, high_open=True)
        error = float(self.fnmr[0])
        end = min(up_to, error)
        # Integral of (e - r) / (1 - r) dr = r + (1 - e) ln(1 - r).
        return float((end + (1 - error) * np.log1p(-end)) / up_to)


def pair_quality(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Quality of a comparison: that of its poorer face.

    Args:
        first: (n,) floating, larger = better.
        second: (n,) floating.
    """
    poorer: npt.NDArray[Any] = np.minimum(first, second)
    return poorer


def error_versus_reject(
    genuine: npt.NDArray[Any], quality: npt.NDArray[Any], *, threshold: float
) -> RejectCurve:
    """FNMR at one threshold while the comparisons of lowest quality are refused.

    Args:
        genuine: (n,) floating scores; ``-inf`` for a comparison that failed (an error).
        quality: (n,) floating, larger = better, e.g. of `pair_quality`; ``-inf`` where no face was
            found.
        threshold: Match at or above; take it at an FMR that was fixed before refusing.

    Raises:
        InputError: If shapes differ, there is no comparison, or there is a NaN.

    Source:
        P. Grother and E. Tabassi, IEEE TPAMI 29(4), 2007; ISO/IEC 29794-1.
    """
    check_scores("genuine", genuine, failures=True)
    check_scores("quality", quality, failures=True)
    check_array("quality", quality, dtype=quality.dtype, shape=genuine.shape, finite=False)
    check_range("threshold", threshold)
    n = len(genuine)
    levels, place = np.unique(quality, return_inverse=True)
    sizes = np.bincount(place, minlength=len(levels))
    errors = np.bincount(place, weights=genuine < threshold, minlength=len(levels))
    refused = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    left = n - refused
    errors_left = errors.sum() - np.concatenate([[0.0], np.cumsum(errors)[:-1]])
    return RejectCurve(refused / n, errors_left / left, left.astype(np.int64), threshold, n)
