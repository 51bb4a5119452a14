"""From similarity to the probability of a match: isotonic and logistic, judged on other people.

Scores are counted into bins of 2^-10, so that a billion comparisons cost what a thousand do.
Genuine and impostor comparisons weigh the same, half and half: what is fitted is the likelihood
ratio, and no share of genuine pairs is baked in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import CalibrationError, InputError
from vultus.core.rows import freeze_arrays
from vultus.evaluation.measures.allpairs import AllPairs
from vultus.matching.match_probability import MatchProbability

_BINS_PER_UNIT = 1024
_N_BINS = 2 * _BINS_PER_UNIT
_RELIABILITY_BINS = 15
_PRIOR = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCounts:
    """How many genuine and impostor scores lie in each bin of similarity.

    Attributes:
        genuine: (2048,) float64; bin k holds similarities from k / 1024 - 1 on.
        impostor: (2048,) float64.
    """

    genuine: npt.NDArray[np.float64]
    impostor: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("genuine", "impostor"):
            counts = getattr(self, name)
            check_array(name, counts, dtype=np.float64, shape=(_N_BINS,))
            if not counts.sum() > 0:
                raise InputError(f"{name} must hold at least one score, got none")
        freeze_arrays(self)

    @classmethod
    def from_pairs(cls, pairs: AllPairs) -> "ScoreCounts":
        """The scores of every face against every other; comparisons that failed have none."""
        counts = pairs.impostors.counts.reshape(_N_BINS, -1)
        impostor = counts.sum(axis=1).astype(np.float64)
        return cls(_histogram(pairs.genuine), impostor)

    @classmethod
    def from_scores(
        cls, genuine: npt.NDArray[np.floating[Any]], impostor: npt.NDArray[np.floating[Any]]
    ) -> "ScoreCounts":
        """Count scores in [-1, 1]."""
        return cls(_histogram(genuine), _histogram(impostor))

    @property
    def similarities(self) -> npt.NDArray[np.float64]:
        """(2048,) middle of each bin."""
        return (np.arange(_N_BINS) + 0.5) / _BINS_PER_UNIT - 1

    def shares(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Genuine and impostor counts, each adding up to 1/2."""
        return self.genuine / self.genuine.sum() / 2, self.impostor / self.impostor.sum() / 2


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityCheck:
    """How good probabilities are on comparisons of other people, at a prior of 1/2.

    Attributes:
        log_loss: Mean of -ln(probability of what was the case); a constant 1/2 has ln 2 = 0.693.
        brier: Mean squared difference from 0 or 1; a constant 1/2 has 0.25.
        calibration_error: ECE: mean gap between said and seen over 15 equal bins of probability.
        said: (b,) mean probability of each bin that holds any comparison.
        seen: (b,) share of genuine comparisons in it.
        weights: (b,) share of all comparisons in it, genuine and impostor half and half.
    """

    log_loss: float
    brier: float
    calibration_error: float
    said: npt.NDArray[np.float64]
    seen: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "prior": _PRIOR,
            "log_loss": self.log_loss,
            "brier": self.brier,
            "calibration_error": self.calibration_error,
            "reliability": {
                "said": self.said.tolist(),
                "seen": self.seen.tolist(),
                "weights": self.weights.tolist(),
            },
        }


def pool_adjacent_violators(
    values: Sequence[float] | npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The non-falling sequence nearest to ``values`` in weighted squares.

    Args:
        values: (n,) in the order of the predictor.
        weights: (n,) float64, positive.

    Returns:
        (n,) float64.

    Raises:
        InputError: If lengths differ or a weight is not positive.

    Source:
        M. Ayer et al., Ann. Math. Statist. 26, 1955.
    """
    targets = np.asarray(values, np.float64)
    check_array("weights", weights, dtype=np.float64, shape=targets.shape)
    if not (weights > 0).all():
        raise InputError("weights must be positive, got others")
    # A stack of blocks (mean, weight, length); a block below the one before it joins it.
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(targets.tolist(), weights.tolist(), strict=True):
        mean, total, length = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, before_weight, before_length = blocks.pop()
            joined = before_weight + total
            mean = (before * before_weight + mean * total) / joined
            total, length = joined, length + before_length
        blocks.append((mean, total, length))
    return np.repeat([block[0] for block in blocks], [block[2] for block in blocks])


def fit_isotonic(counts: ScoreCounts, *, bound: tuple[float, float]) -> MatchProbability:
    """The log-likelihood ratio as any function that does not fall.

    Args:
        counts: Scores to fit.
        bound: Lowest and highest LLR that the people carry, see `llr_bounds`.
    """
    genuine, impostor = counts.shares()
    filled = np.flatnonzero(genuine + impostor)
    total = (genuine + impostor)[filled]
    share = pool_adjacent_violators(genuine[filled] / total, total)
    with np.errstate(divide="ignore"):
        llrs = np.clip(np.log(share) - np.log1p(-share), *bound)
    # Only the ends of each run of equal values are knots.
    changes = np.diff(llrs) != 0
    kept = np.concatenate([[True], changes]) | np.concatenate([changes, [True]])
    return MatchProbability("isotonic", counts.similarities[filled][kept], llrs[kept])


def fit_logistic(counts: ScoreCounts, *, bound: tuple[float, float]) -> MatchProbability:
    """The log-likelihood ratio as a straight line, by maximum likelihood (Newton's method).

    Args:
        counts: Scores to fit.
        bound: As in `fit_isotonic`.

    Raises:
        CalibrationError: If a larger similarity does not speak for a match.
    """
    genuine, impostor = counts.shares()
    design = np.stack([counts.similarities, np.ones(_N_BINS)], axis=1)
    # The tiny ridge keeps the line finite where the two kinds do not overlap at all.
    ridge = np.diag([1e-6, 1e-6])
    line = np.zeros(2)
    for _ in range(100):
        p = 0.5 * (1 + np.tanh(design @ line / 2))
        gradient = design.T @ (genuine - (genuine + impostor) * p) - ridge @ line
        curvature = (design.T * ((genuine + impostor) * p * (1 - p))) @ design + ridge
        step = np.linalg.solve(curvature, gradient)
        line += step / max(1.0, float(np.abs(step).max()) / 5)
        if np.abs(step).max() < 1e-9:
            break
    slope, offset = line.tolist()
    if slope <= 0:
        raise CalibrationError(
            "genuine pairs must be more alike than impostor pairs for a match probability; here "
            "they are not: look at the labels"
        )
    llrs = np.array(bound, np.float64)
    return MatchProbability("logistic", (llrs - offset) / slope, llrs)


def llr_bounds(*, n_genuine_people: int, n_people: int) -> tuple[float, float]:
    """The strongest evidence that so many people carry, either way (rule of three).

    A similarity that no impostor reached may still be reached by 3 in so many pairs of people;
    one that no genuine pair fell below, by 3 in so many people.

    Args:
        n_genuine_people: People with two photos or more.
        n_people: All people.
    """
    pairs = n_people * (n_people - 1) / 2
    return -math.log(max(n_genuine_people / 3, 1.0)), math.log(max(pairs / 3, 1.0))


def probability_check(fitted: MatchProbability, counts: ScoreCounts) -> ProbabilityCheck:
    """Judge probabilities on scores that they were not fitted to."""
    genuine, impostor = counts.shares()
    p = fitted.probability(counts.similarities, prior=_PRIOR)
    log_loss = -float(genuine @ np.log(p) + impostor @ np.log1p(-p))
    brier = float(genuine @ (1 - p) ** 2 + impostor @ p**2)
    bins = np.minimum((p * _RELIABILITY_BINS).astype(np.int64), _RELIABILITY_BINS - 1)
    total = np.bincount(bins, genuine + impostor, _RELIABILITY_BINS).astype(np.float64)
    filled = total > 0
    said = np.bincount(bins, (genuine + impostor) * p, _RELIABILITY_BINS)[filled] / total[filled]
    seen = np.bincount(bins, genuine, _RELIABILITY_BINS)[filled] / total[filled]
    error = float(total[filled] @ np.abs(said - seen))
    return ProbabilityCheck(log_loss, brier, error, said, seen, total[filled])


def _histogram(scores: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    bins = np.floor((scores.astype(np.float64) + 1) * _BINS_PER_UNIT).astype(np.int64)
    return np.bincount(np.clip(bins, 0, _N_BINS - 1), minlength=_N_BINS).astype(np.float64)
