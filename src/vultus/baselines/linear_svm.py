"""Linear support vector machine with squared hinge loss, by Newton's method on the primal."""

from typing import NamedTuple

import numpy as np

from vultus.baselines.vectors import Floats, check_vectors
from vultus.core.checks import check_range
from vultus.core.errors import InputError

_MAX_STEPS = 100
_SMALL_DECREASE = 1e-12  # relative, of the objective


class LinearSvm(NamedTuple):
    """A plane: f(x) = weights x + bias.

    Attributes:
        weights: (dim,) float64.
        bias: Where the plane lies.
    """

    weights: Floats
    bias: float


def fit_linear_svm(features: Floats, signs: Floats, *, cost: float = 1.0) -> LinearSvm:
    """Minimise ``|w|^2 / 2`` + cost sum max(0, 1 - y f(x))^2; the bias counts as one more weight.

    The same objective as liblinear's (scikit-learn's ``LinearSVC`` with its defaults).

    Args:
        features: (n, dim) float64.
        signs: (n,) float64, each 1 or -1.
        cost: Price of a point inside the margin, above 0.

    Raises:
        InputError: If shapes or dtypes do not match, or signs holds anything but 1 and -1.

    Source:
        Chapelle, Training a Support Vector Machine in the Primal, Neural Computation 2007; with a
        line search, without which the steps may go round in circles.
    """
    checked = check_vectors("features", features)
    check_range("cost", cost, low=0, low_open=True)
    if signs.shape != (len(checked),) or set(np.unique(signs)) != {-1.0, 1.0}:
        raise InputError("signs must hold 1 and -1, both, one for each row of features")
    signed = np.concatenate([checked, np.ones((len(checked), 1))], axis=1) * signs[:, None]
    weights = np.zeros(signed.shape[1])
    value = _objective(signed, weights, cost)
    for _ in range(_MAX_STEPS):
        direction = _newton_direction(signed, weights, cost)
        step, previous = 1.0, value
        value = _objective(signed, weights + direction, cost)
        while value > previous and step > _SMALL_DECREASE:
            step /= 2
            value = _objective(signed, weights + step * direction, cost)
        if previous - value <= _SMALL_DECREASE * previous:
            break
        weights = weights + step * direction
    return LinearSvm(weights[:-1], float(weights[-1]))


def _objective(signed: Floats, weights: Floats, cost: float) -> float:
    short = np.maximum(0, 1 - signed @ weights)
    return float(0.5 * weights @ weights + cost * short @ short)


def _newton_direction(signed: Floats, weights: Floats, cost: float) -> Floats:
    inside = signed[signed @ weights < 1]
    gradient = weights - 2 * cost * (1 - inside @ weights) @ inside
    hessian = np.eye(len(weights)) + 2 * cost * inside.T @ inside
    return np.linalg.solve(hessian, -gradient).astype(np.float64)
