"""Distances within a batch, and who is whose pair: for contrastive and triplet losses."""

import torch
from torch import Tensor

from vultus.losses.margins.functional import unit_rows

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
        (n, n), at least 0, symmetric; the diagonal is 0 (1e-6 if not squared).
    """
    rows = unit_rows(features)[0] if normalize else features
    # Distances do not feel the shift; the products below do: large means cost digits.
    rows = rows - rows.detach().mean(dim=0)
    lengths = rows.square().sum(dim=1)
    distances = (lengths[:, None] + lengths[None, :] - 2 * (rows @ rows.T)).clamp_min(0)
    off_diagonal = 1 - torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
    distances = distances * off_diagonal
    return distances if squared else safe_sqrt(distances)


def row_distances(a: Tensor, b: Tensor, *, squared: bool) -> Tensor:
    """Euclidean distance of row i of ``a`` from row i of ``b``.

    Returns:
        (n,).
    """
    distances = (a - b).square().sum(dim=1)
    return distances if squared else safe_sqrt(distances)


def pair_masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs are genuine and which are impostors.

    Returns:
        Two (n, n) bool tensors: same label and not the same row; different labels.
    """
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


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
