"""Arrays of similarity scores: what they must be, how many reach a threshold, how far apart."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import CalibrationError, InputError

Scores = npt.NDArray[np.floating[Any]]
"""(n,) floating, larger = more alike; ``-inf`` for a comparison that could not be made."""


def check_scores(name: str, scores: Any, *, failures: bool) -> None:
    """Check that scores are floating, (n,), at least one, and finite (or ``-inf`` for failures).

    Raises:
        InputError: If they are not.
    """
    if not isinstance(scores, np.ndarray) or scores.ndim != 1 or scores.dtype.kind != "f":
        kind = getattr(scores, "dtype", type(scores).__name__)
        raise InputError(f"{name} must be a floating array of shape (n,), got {kind}")
    if not len(scores):
        raise InputError(f"{name} must hold at least one score, got none")
    good = np.isfinite(scores) | (np.isneginf(scores) if failures else False)
    if not good.all():
        allowed = "finite or -inf" if failures else "finite"
        raise InputError(f"{name} must be {allowed}, got {int((~good).sum())} others")


def count_at_or_above(scores: Scores, thresholds: Scores) -> npt.NDArray[np.int64]:
    """How many scores are at or above each threshold; scores in any order."""
    ordered = np.sort(scores.astype(np.float64))
    return (len(ordered) - np.searchsorted(ordered, thresholds, side="left")).astype(np.int64)


def d_prime(genuine: Scores, impostor: Scores) -> float:
    """Distance of the two means in units of the root mean variance.

    ``-inf`` scores have no place in a mean and are refused: a failure is no similarity.

    Raises:
        InputError: If either has fewer than two scores, or holds one that is not finite.
        CalibrationError: If neither varies.
    """
    for name, scores in (("genuine", genuine), ("impostor", impostor)):
        check_scores(name, scores, failures=False)
        if len(scores) < 2:
            raise InputError(f"{name} must hold at least two scores, got {len(scores)}")
    g, i = genuine.astype(np.float64), impostor.astype(np.float64)
    spread = math.sqrt((g.var(ddof=1) + i.var(ddof=1)) / 2)
    if spread == 0:
        raise CalibrationError("d' needs scores that vary, got two constants")
    return float((g.mean() - i.mean()) / spread)
