"""The tail of a distribution by extreme value theory: the generalised Pareto distribution."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import InputError

SHAPES = (-0.9, 0.9)
"""Outside, the likelihood has no maximum worth having (below -1 it grows without bound)."""


@dataclass(frozen=True, slots=True)
class ParetoTail:
    """P(excess > y) = (1 + shape * y / scale)^(-1 / shape), y >= 0.

    Attributes:
        shape: xi; below 0 the tail ends at -scale / shape, at 0 it is exponential.
        scale: sigma > 0, in the unit of the excesses.
    """

    shape: float
    scale: float

    def survival(self, excess: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(excess > y) for each y >= 0."""
        y = np.asarray(excess, np.float64) / self.scale
        if abs(self.shape) < 1e-9:
            return np.asarray(np.exp(-y))
        inside = np.maximum(1 + self.shape * y, 0)
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(-np.log(inside) / self.shape))

    def quantile(self, survival: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The excess that is passed with each probability in (0, 1]."""
        logs = -np.log(np.asarray(survival, np.float64))
        if abs(self.shape) < 1e-9:
            return np.asarray(self.scale * logs)
        return np.asarray(self.scale * np.expm1(self.shape * logs) / self.shape)


def fit_pareto_tail(
    excesses: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> ParetoTail:
    """Weighted maximum likelihood.

    Args:
        excesses: (n,) float64 above a threshold, positive.
        weights: (n,) float64, how often each counts; at least one positive.

    Raises:
        InputError: If there is no excess, or one is not positive.

    Source:
        J. Pickands, Ann. Statist. 3, 1975; S. D. Grimshaw, Technometrics 35, 1993 (with
        theta = shape / scale the shape is the mean of ln(1 + theta y), which leaves one unknown).
    """
    check_array("excesses", excesses, dtype=np.float64, shape=("n",))
    check_array("weights", weights, dtype=np.float64, shape=excesses.shape)
    if not weights.sum() > 0 or not (excesses > 0).all():
        raise InputError("excesses must be positive and some of their weights too")
    counted = weights > 0
    excesses, share = excesses[counted], weights[counted] / weights.sum()
    mean, largest = float(share @ excesses), float(excesses.max())
    best = (-math.log(mean) - 1, ParetoTail(0.0, mean))
    for theta in _thetas(mean, largest):
        shape = float(share @ np.log1p(theta * excesses))
        if not SHAPES[0] <= shape <= SHAPES[1] or abs(shape) < 1e-9:
            continue
        likelihood = -math.log(shape / theta) - shape - 1
        if likelihood > best[0]:
            best = (likelihood, ParetoTail(shape, shape / theta))
    return best[1]


def _thetas(mean: float, largest: float) -> npt.NDArray[np.float64]:
    # theta > -1 / largest, or the largest excess would lie beyond the end of the tail.
    below = -(1 - np.geomspace(1e-4, 0.9999, 200)) / largest
    above = np.geomspace(1e-4, 1e2, 200) / mean
    return np.concatenate([below, above])
