"""Pairs and triplets of a batch, as indices: which anchor, which positive, which negative.

A miner takes the (n, n) distances of a batch and its labels, and returns index tensors on their
device. What all of them promise: anchor and positive are two different rows of one identity, the
negative is of another, no row labelled -1 takes part, and where nothing qualifies the result is
empty. Any distance that grows with dissimilarity will do unless a miner says otherwise; FaceNet's
margins are for squared ones.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from vultus.core.errors import InputError


class Triplets(NamedTuple):
    """Row t says: anchors[t] is closer to positives[t] than to negatives[t], or should be.

    Attributes:
        anchors: (m,) int64 rows of the batch.
        positives: (m,) int64, another row of the anchor's identity.
        negatives: (m,) int64, a row of another identity.
    """

    anchors: Tensor
    positives: Tensor
    negatives: Tensor


class Pairs(NamedTuple):
    """Unordered pairs of two different rows.

    Attributes:
        first: (m,) int64 rows of the batch.
        second: (m,) int64, larger than ``first``.
        same: (m,) bool, whether they are one identity.
    """

    first: Tensor
    second: Tensor
    same: Tensor


def squared_distances(embeddings: Tensor) -> Tensor:
    """Squared Euclidean distances of all pairs of rows, with the graph of the rows.

    Args:
        embeddings: (n, d) floating; half precision is computed in float32.

    Returns:
        (n, n), at least 0, symmetric up to rounding, 0 on the diagonal.
    """
    rows = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    # Distances do not feel the shift; the products below do: large means cost digits.
    rows = rows - rows.detach().mean(dim=0)
    lengths = rows.square().sum(dim=1)
    distances = (lengths[:, None] + lengths[None, :] - 2 * (rows @ rows.T)).clamp_min(0)
    off_diagonal = 1 - torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
    return distances * off_diagonal


def positive_mask(labels: Tensor) -> Tensor:
    """(n, n) bool: two different rows of one identity; rows labelled -1 have none.

    Raises:
        InputError: If labels are not integers of shape (n,).
    """
    _check_labels(labels)
    same = (labels[:, None] == labels[None]) & (labels >= 0)[:, None]
    return same.fill_diagonal_(False)


def negative_mask(labels: Tensor) -> Tensor:
    """(n, n) bool: rows of two identities; rows labelled -1 have none.

    Raises:
        InputError: If labels are not integers of shape (n,).
    """
    _check_labels(labels)
    known = labels >= 0
    return (labels[:, None] != labels[None]) & known[:, None] & known[None]


def positive_pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """All ordered pairs of different rows of one identity: anchors (m,) and positives (m,)."""
    anchors, positives = positive_mask(labels).nonzero(as_tuple=True)
    return anchors, positives


def all_pairs(labels: Tensor) -> Pairs:
    """All unordered pairs of the batch.

    Args:
        labels: (n,) integer; -1 takes no part.

    Example:
        >>> pairs = all_pairs(torch.tensor([4, 9, 4]))
        >>> list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.same.tolist()))
        [(0, 1, False), (0, 2, True), (1, 2, False)]
    """
    same = positive_mask(labels)
    first, second = (same | negative_mask(labels)).triu().nonzero(as_tuple=True)
    return Pairs(first, second, same[first, second])


def all_triplets(labels: Tensor) -> Triplets:
    """Every valid triplet of the batch ("batch all"); their number grows with n cubed.

    Args:
        labels: (n,) integer; -1 takes no part.
    """
    anchors, positives = positive_pairs(labels)
    pair, negatives = negative_mask(labels)[anchors].nonzero(as_tuple=True)
    return Triplets(anchors[pair], positives[pair], negatives)


def _check_labels(labels: Tensor) -> None:
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(
            f"labels must be integers of shape (n,), got {labels.dtype} of shape "
            f"{tuple(labels.shape)}"
        )


def check_distances(distances: Tensor, labels: Tensor) -> Tensor:
    """Check that distances are floating and (n, n) for n labels; make them finite and contiguous.

    NaN and infinity become the largest number: valid triplets come of any batch, and what a broken
    one is worth shows in the loss, where whoever trains looks for it.

    Raises:
        InputError: If shape or dtype do not match.
    """
    rows = len(labels)
    if not distances.is_floating_point() or distances.shape != (rows, rows):
        raise InputError(
            f"distances must be floating of shape ({rows}, {rows}), "
            f"got {distances.dtype} of shape {tuple(distances.shape)}"
        )
    return distances.contiguous().nan_to_num(nan=torch.finfo(distances.dtype).max)
