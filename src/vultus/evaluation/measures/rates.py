"""FMR and FNMR at every threshold, and the figures that are read off them.

One rule throughout: two faces match when their similarity is at least the threshold. Equal scores
are accepted or refused together, so no figure depends on the order of the input. A genuine
comparison that could not be made (no face found) has the score ``-inf``: it never matches.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int
from vultus.core.errors import CalibrationError, InputError
from vultus.core.rows import freeze_arrays
from vultus.core.thresholds import Threshold, smallest_claim
from vultus.evaluation.measures.intervals import Interval, check_claim, rate_interval
from vultus.evaluation.measures.scores import Scores, check_scores, count_at_or_above


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """Error counts at every threshold that tells two scores apart.

    Attributes:
        thresholds: (k,) float64, falling; the first is ``inf`` (nothing matches), at the last every
            impostor matches.
        n_false_matches: (k,) int64, impostor scores at or above each threshold.
        n_true_matches: (k,) int64, genuine scores at or above each threshold.
        n_genuine: How many genuine comparisons, those that failed included.
        n_impostor: How many impostor comparisons.

    Raises:
        InputError: If shapes, dtypes or counts do not fit together.
    """

    thresholds: npt.NDArray[np.float64]
    n_false_matches: npt.NDArray[np.int64]
    n_true_matches: npt.NDArray[np.int64]
    n_genuine: int
    n_impostor: int

    def __post_init__(self) -> None:
        check_array("thresholds", self.thresholds, dtype=np.float64, shape=("k",), finite=False)
        check_positive_int("n_genuine", self.n_genuine)
        check_positive_int("n_impostor", self.n_impostor)
        if not (np.diff(self.thresholds) < 0).all() or self.thresholds[:1].tolist() != [math.inf]:
            raise InputError("thresholds must fall from inf, got others")
        limits = {"n_false_matches": self.n_impostor, "n_true_matches": self.n_genuine}
        for name, limit in limits.items():
            counts = getattr(self, name)
            check_array(name, counts, dtype=np.int64, shape=self.thresholds.shape)
            if counts[0] != 0 or (np.diff(counts) < 0).any() or counts[-1] > limit:
                raise InputError(f"{name} must rise from 0 to at most {limit}, got others")
        if self.n_false_matches[-1] != self.n_impostor:
            raise InputError(
                f"at the last threshold all {self.n_impostor} impostors must match, "
                f"got {self.n_false_matches[-1]}"
            )
        freeze_arrays(self)

    @property
    def fmr(self) -> npt.NDArray[np.float64]:
        """(k,) false match rate, rising."""
        return self.n_false_matches / self.n_impostor

    @property
    def tar(self) -> npt.NDArray[np.float64]:
        """(k,) true accept rate, rising; 1 - FNMR."""
        return self.n_true_matches / self.n_genuine

    @property
    def fnmr(self) -> npt.NDArray[np.float64]:
        """(k,) false non-match rate, falling."""
        return (self.n_genuine - self.n_true_matches) / self.n_genuine

    def __len__(self) -> int:
        return len(self.thresholds)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The error rates at one threshold, with their counts.

    Attributes:
        threshold: Match when the score is at least this; ``inf`` when nothing may match.
        n_false_matches: Impostor comparisons that match.
        n_true_matches: Genuine comparisons that match.
        n_genuine: How many genuine comparisons.
        n_impostor: How many impostor comparisons.
        target_fmr: The rate that was asked for, or None for a threshold chosen otherwise.
    """

    threshold: float
    n_false_matches: int
    n_true_matches: int
    n_genuine: int
    n_impostor: int
    target_fmr: float | None = None

    @property
    def finite_threshold(self) -> float | None:
        """The threshold as JSON has it: None where nothing may match."""
        return self.threshold if math.isfinite(self.threshold) else None

    @property
    def fmr(self) -> float:
        """False match rate."""
        return self.n_false_matches / self.n_impostor

    @property
    def tar(self) -> float:
        """True accept rate."""
        return self.n_true_matches / self.n_genuine

    @property
    def fnmr(self) -> float:
        """False non-match rate."""
        return (self.n_genuine - self.n_true_matches) / self.n_genuine

    @property
    def fmr_interval(self) -> Interval:
        """95 % interval of the FMR, comparisons taken as independent."""
        return rate_interval(self.n_false_matches, self.n_impostor)

    @property
    def tar_interval(self) -> Interval:
        """95 % interval of the TAR, comparisons taken as independent."""
        return rate_interval(self.n_true_matches, self.n_genuine)

    def to_threshold(self, origin: str) -> Threshold:
        """The rule for recognition, with the number of impostor comparisons and the FMR they carry.

        That is the rate that was measured, and 3 / n (the rule of three) where that is higher.

        Args:
            origin: Where the scores come from, in words.

        Raises:
            CalibrationError: If nothing may match at this point.
        """
        if not math.isfinite(self.threshold):
            raise CalibrationError(
                f"no score is accepted at FMR {self.target_fmr}: the {self.n_impostor:,} impostor "
                "scores reach or pass every genuine one; look at the highest impostor pairs"
            )
        rate = min(1.0, max(self.fmr, smallest_claim(self.n_impostor)))
        return Threshold(self.threshold, rate, self.n_impostor, origin)

    def to_dict(self) -> dict[str, Any]:
        """Rates, counts and intervals, fit for JSON (an infinite threshold becomes None)."""
        return {
            "target_fmr": self.target_fmr,
            "threshold": self.finite_threshold,
            "fmr": self.fmr,
            "fmr_interval": self.fmr_interval.to_dict(),
            "tar": self.tar,
            "tar_interval": self.tar_interval.to_dict(),
            "n_false_matches": self.n_false_matches,
            "n_true_matches": self.n_true_matches,
            "n_genuine": self.n_genuine,
            "n_impostor": self.n_impostor,
        }


def roc_curve(genuine: Scores, impostor: Scores) -> RocCurve:
    """Count matches at every distinct score.

    Args:
        genuine: (g,) floating, larger = more alike; ``-inf`` for a comparison that failed.
        impostor: (i,) floating, finite. Leave out impostor comparisons that failed: a face that
            was never compared must not lower the FMR.

    Raises:
        InputError: If either is empty or holds a NaN or ``inf``.
    """
    check_scores("genuine", genuine, failures=True)
    check_scores("impostor", impostor, failures=False)
    observed = np.unique(np.concatenate([genuine, impostor]).astype(np.float64))[::-1]
    thresholds = np.concatenate([[np.inf], observed[np.isfinite(observed)]])
    return RocCurve(
        thresholds,
        count_at_or_above(impostor, thresholds),
        count_at_or_above(genuine, thresholds),
        len(genuine),
        len(impostor),
    )


def point_at(curve: RocCurve, *, threshold: float) -> OperatingPoint:
    """The counts at a threshold that need not be one of the curve's.

    Between two neighbouring thresholds of a `roc_curve` lies no score, so the counts are those of
    the next higher one. A curve of `all_pairs` is that dense only in its tail; below it, ask at
    one of its thresholds.

    Raises:
        InputError: If ``threshold`` is NaN.
    """
    if math.isnan(threshold):
        raise InputError("threshold must be a number, got NaN")
    row = int(np.searchsorted(-curve.thresholds, -threshold, side="right")) - 1
    return _point(curve, row, threshold=threshold, target_fmr=None)


def operating_point(curve: RocCurve, *, fmr: float) -> OperatingPoint:
    """The lowest threshold of the curve whose FMR is at most ``fmr`` (never the nearest).

    Args:
        curve: Of scores.
        fmr: Target false match rate in (0, 1].

    Raises:
        InputError: If ``fmr`` is outside (0, 1].
        CalibrationError: If ``fmr`` is below 3 / n_impostor: the data cannot carry it.
    """
    check_claim("FMR", fmr, n=curve.n_impostor)
    row = int(np.searchsorted(curve.fmr, fmr, side="right")) - 1
    return _point(curve, row, threshold=float(curve.thresholds[row]), target_fmr=fmr)


def equal_error_rate(curve: RocCurve) -> float:
    """The rate at which FMR = FNMR, on straight lines between the curve's points.

    The line across tied scores is what accepting a random part of them would reach; it is the
    same rule as the trapezoids of `area_under_curve`. No single threshold need attain it.
    """
    return crossing(curve.fmr, curve.fnmr)


def crossing(rising: npt.NDArray[np.float64], falling: npt.NDArray[np.float64]) -> float:
    """Where two rates cross, on straight lines between their points.

    Args:
        rising: (k,) float64, below ``falling`` at first.
        falling: (k,) float64.

    Returns:
        The rate; the last of ``rising`` where it stays below.
    """
    gap = rising - falling
    after = int(np.searchsorted(gap, 0.0, side="left"))
    if after == len(gap):
        return float(rising[-1])
    if after == 0:
        return float(rising[0])
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(rising[before] + share * (rising[after] - rising[before]))


def area_under_curve(curve: RocCurve) -> float:
    """Area under TAR against FMR: P(genuine > impostor) + P(equal) / 2 of a random pair of scores.

    Exact for a curve of `roc_curve`; for one with some thresholds left out (`all_pairs`) scores
    between two thresholds count as equal.
    """
    steps = np.diff(curve.n_false_matches).astype(np.float64)
    heights = (curve.n_true_matches[1:] + curve.n_true_matches[:-1]) / 2
    return float((steps @ heights) / (float(curve.n_impostor) * curve.n_genuine))


def _point(
    curve: RocCurve, row: int, *, threshold: float, target_fmr: float | None
) -> OperatingPoint:
    return OperatingPoint(
        threshold,
        int(curve.n_false_matches[row]),
        int(curve.n_true_matches[row]),
        curve.n_genuine,
        curve.n_impostor,
        target_fmr,
    )
