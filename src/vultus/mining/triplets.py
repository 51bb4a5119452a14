"""Pairs and triplets of a batch, as indices: which anchor, which positive, which negative.

A miner takes the (n, n) distances of a batch and its labels, and returns index tensors on their
device. What all of them promise: anchor and positive are two different rows of one identity, the
negative is of another, no row labelled -1 takes part, and where nothing qualifies the result is
empty. With a `Split` the distances are (n, m), of queries from references. Any distance that grows
with dissimilarity will do unless a miner says otherwise; FaceNet's margins are for squared ones.
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


class Split(NamedTuple):
    """In place of a batch's one tensor: queries are compared with references, not with each other.

    Wherever labels or rows may be split, anchors are rows of the queries, and positives and
    negatives rows of the references: a memory of earlier features, or the other view of each face.

    Attributes:
        queries: (n, ...).
        references: (m, ...).
    """

    queries: Tensor
    references: Tensor


def as_split(rows: Tensor | Split) -> Split:
    """Queries and references; a batch is both."""
    return rows if isinstance(rows, Split) else Split(rows, rows)


class Pairs(NamedTuple):
    """Unordered pairs of two different rows; or each query with each reference.

    Attributes:
        first: (m,) int64 rows of the batch, or of the queries.
        second: (m,) int64, larger than ``first``; or rows of the references.
        same: (m,) bool, whether they are one identity.
    """

    first: Tensor
    second: Tensor
    same: Tensor


def squared_distances(embeddings: Tensor | Split) -> Tensor:
    """Squared Euclidean distances of all pairs of rows, with the graph of the rows.

    Args:
        embeddings: (n, d) floating, or split; half precision is computed in float32.

    Returns:
        (n, n), at least 0, symmetric up to rounding, 0 on the diagonal; or (n, m) of queries from
        references.
    """
    one, other = as_split(embeddings)
    dtype = torch.promote_types(torch.promote_types(one.dtype, other.dtype), torch.float32)
    # Distances do not feel the shift; the products below do: large means cost digits.
    shift = other.detach().to(dtype).mean(dim=0) if len(other) else 0
    queries = one.to(dtype) - shift
    references = queries if one is other else other.to(dtype) - shift
    lengths = [rows.square().sum(dim=1) for rows in (queries, references)]
    distances = lengths[0][:, None] + lengths[1][None, :] - 2 * (queries @ references.T)
    distances = distances.clamp_min(0)
    if one is not other:
        return distances
    return distances * (1 - torch.eye(len(one), dtype=dtype, device=one.device))


def positive_mask(labels: Tensor | Split) -> Tensor:
    """(n, n) bool: two different rows of one identity; rows labelled -1 have none.

    Args:
        labels: (n,) integer; or split, and the mask is (n, m).

    Raises:
        InputError: If labels are not integers of shape (n,).
    """
    one, other = _checked(labels)
    same = (one[:, None] == other[None]) & (one >= 0)[:, None]
    return same if isinstance(labels, Split) else same.fill_diagonal_(False)


def negative_mask(labels: Tensor | Split) -> Tensor:
    """(n, n) bool: rows of two identities; rows labelled -1 have none.

    Args:
        labels: (n,) integer; or split, and the mask is (n, m).

    Raises:
        InputError: If labels are not integers of shape (n,).
    """
    one, other = _checked(labels)
    return (one[:, None] != other[None]) & (one >= 0)[:, None] & (other >= 0)[None]


def positive_pairs(labels: Tensor | Split) -> tuple[Tensor, Tensor]:
    """All ordered pairs of different rows of one identity: anchors (m,) and positives (m,)."""
    anchors, positives = positive_mask(labels).nonzero(as_tuple=True)
    return anchors, positives


def all_pairs(labels: Tensor | Split) -> Pairs:
    """All unordered pairs of the batch; or every query with every reference.

    Args:
        labels: (n,) integer, or split; -1 takes no part.

    Example:
        >>> pairs = all_pairs(torch.tensor([4, 9, 4]))
        >>> list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.same.tolist()))
        [(0, 1, False), (0, 2, True), (1, 2, False)]
    """
    same = positive_mask(labels)
    taken = same | negative_mask(labels)
    first, second = (taken if isinstance(labels, Split) else taken.triu()).nonzero(as_tuple=True)
    return Pairs(first, second, same[first, second])


def all_triplets(labels: Tensor | Split) -> Triplets:
    """Every valid triplet of the batch ("batch all"); their number grows with n cubed.

    Args:
        labels: (n,) integer, or split; -1 takes no part.
    """
    anchors, positives = positive_pairs(labels)
    pair, negatives = negative_mask(labels)[anchors].nonzero(as_tuple=True)
    return Triplets(anchors[pair], positives[pair], negatives)


def _checked(labels: Tensor | Split) -> Split:
    split = as_split(labels)
    for part in split:
        _check_labels(part)
    return split


def _check_labels(labels: Tensor) -> None:
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(
            f"labels must be integers of shape (n,), got {labels.dtype} of shape "
            f"{tuple(labels.shape)}"
        )


def check_distances(distances: Tensor, labels: Tensor | Split) -> Tensor:
    """Check that distances are floating and (n, n) for n labels; make them finite and contiguous.

    NaN and infinity become the largest number: valid triplets come of any batch, and what a broken
    one is worth shows in the loss, where whoever trains looks for it.

    Raises:
        InputError: If shape or dtype do not match.
    """
    rows, columns = (len(part) for part in as_split(labels))
    if not distances.is_floating_point() or distances.shape != (rows, columns):
        raise InputError(
            f"distances must be floating of shape ({rows}, {columns}), "
            f"got {distances.dtype} of shape {tuple(distances.shape)}"
        )
    return distances.contiguous().nan_to_num(nan=torch.finfo(distances.dtype).max)
