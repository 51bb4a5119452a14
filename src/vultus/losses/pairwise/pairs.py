"""Distances within a batch and the mean over pairs: for contrastive and triplet losses."""

from torch import Tensor

from vultus.losses.margins.functional import unit_rows
from vultus.mining.triplets import squared_distances

_SQRT_FLOOR = 1e-12


def safe_sqrt(squared: Tensor) -> Tensor:
    """sqrt(d^2 + 1e-12): at d = 0 the gradient of the plain root is infinite, and NaN beyond."""
    return (squared.clamp_min(0) + _SQRT_FLOOR).sqrt()


def pairwise_distances(features: Tensor, *, normalize: bool, squared: bool) -> Tensor:
    """Euclidean distances between all rows.

    Args:
        features: (n, d) float32 or float64.
        normalize: Scale the rows to length 1 first.
        squared: Return squared distances.

    Returns:
        (n, n), at least 0; the diagonal is 0 (1e-6 if not squared).
    """
    distances = squared_distances(unit_rows(features)[0] if normalize else features)
    return distances if squared else safe_sqrt(distances)


def row_distances(a: Tensor, b: Tensor, *, squared: bool) -> Tensor:
    """Euclidean distance of row i of ``a`` from row i of ``b``.

    Returns:
        (n,).
    """
    distances = (a - b).square().sum(dim=1)
    return distances if squared else safe_sqrt(distances)


def mean_or_zero(values: Tensor, features: Tensor, *, count: Tensor | None = None) -> Tensor:
    """Mean of ``values``, or their sum over ``count``; 0 with a graph where there is none.

    Args:
        values: Any shape, possibly empty.
        features: What the graph has to reach.
        count: 0-d, what to divide by (at least 1 is taken); None takes the number of values.
    """
    if values.numel() == 0:
        return features.sum() * 0
    return values.mean() if count is None else values.sum() / count.clamp_min(1)
