"""Verification accuracy over folds: the threshold of each fold comes from the others."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import InputError
from vultus.evaluation.measures.intervals import Interval, rate_interval
from vultus.evaluation.measures.scores import check_scores


@dataclass(frozen=True, slots=True)
class FoldAccuracy:
    """Accuracy of a list of pairs, fold by fold.

    Attributes:
        accuracies: Share of right decisions in each fold.
        thresholds: The threshold of each fold, learned on the other folds.
        n_right: How many decisions are right.
        n_pairs: How many pairs.
        n_failures: Pairs with a face that was not found; each counts as a wrong decision.
    """

    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    n_right: int
    n_pairs: int
    n_failures: int

    @property
    def mean(self) -> float:
        """Mean of the folds' accuracies."""
        return float(np.mean(self.accuracies))

    @property
    def std(self) -> float:
        """Sample standard deviation of the folds' accuracies (n - 1)."""
        return float(np.std(self.accuracies, ddof=1))

    @property
    def standard_error(self) -> float:
        """Standard error of the mean: ``std / sqrt(folds)``, what LFW's authors put after +-."""
        return self.std / math.sqrt(len(self.accuracies))

    @property
    def interval(self) -> Interval:
        """95 % interval of the share of right decisions, pairs taken as independent."""
        return rate_interval(self.n_right, self.n_pairs)


def best_threshold(scores: npt.NDArray[Any], genuine: npt.NDArray[np.bool_]) -> float:
    """The threshold with the most right decisions ("same" when score >= threshold).

    Candidates are the midpoints between neighbouring distinct scores, and a step outside either
    end. Of equally good ones the middle one is taken, which depends neither on the order of the
    pairs nor on a preference for one kind of error.

    Args:
        scores: (n,) floating; ``-inf`` for a pair that failed (it moves no threshold).
        genuine: (n,) bool.

    Raises:
        InputError: If no score is finite.
    """
    found = np.isfinite(scores)
    if not found.any():
        raise InputError("best_threshold needs at least one finite score, got none")
    distinct, place = np.unique(scores[found].astype(np.float64), return_inverse=True)
    gain = np.where(genuine[found], 1, -1)
    # right[k]: right decisions, up to a constant, when the k lowest distinct scores are refused.
    lost = np.bincount(place, weights=gain, minlength=len(distinct))
    right = -np.concatenate([[0.0], np.cumsum(lost)])
    candidates = np.concatenate(
        [[distinct[0] - 1e-6], (distinct[1:] + distinct[:-1]) / 2, [distinct[-1] + 1e-6]]
    )
    best = np.flatnonzero(right == right.max())
    return float(candidates[best[len(best) // 2]])


def fold_accuracy(
    scores: npt.NDArray[Any], genuine: npt.NDArray[np.bool_], *, folds: npt.NDArray[np.int64]
) -> FoldAccuracy:
    """Cross-validated accuracy, as LFW's View 2 defines it for the unrestricted threshold.

    Args:
        scores: (n,) floating, larger = more alike; ``-inf`` for a pair that could not be
            compared, genuine or not: it is a wrong decision at every threshold.
        genuine: (n,) bool.
        folds: (n,) int64, the fold of each pair; at least two different ones.

    Raises:
        InputError: If shapes or dtypes do not match, there is a NaN, or fewer than two folds.

    Source:
        G. B. Huang et al., Labeled Faces in the Wild, UMass TR 07-49, 2007.
    """
    check_array("genuine", genuine, dtype=np.bool_, shape=("n",))
    check_array("folds", folds, dtype=np.int64, shape=genuine.shape)
    check_scores("scores", scores, failures=True)
    check_array("scores", scores, dtype=scores.dtype, shape=genuine.shape, finite=False)
    names = np.unique(folds)
    if len(names) < 2:
        raise InputError(f"accuracy over folds needs at least two folds, got {len(names)}")
    failed = np.isneginf(scores)
    accuracies, thresholds, n_right = [], [], 0
    for fold in names:
        held_out = folds == fold
        threshold = best_threshold(scores[~held_out], genuine[~held_out])
        right = ((scores >= threshold) == genuine) & ~failed
        accuracies.append(float(right[held_out].mean()))
        thresholds.append(threshold)
        n_right += int(right[held_out].sum())
    return FoldAccuracy(
        tuple(accuracies), tuple(thresholds), n_right, len(scores), int(failed.sum())
    )
