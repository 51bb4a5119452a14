"""Distance-weighted mining: negatives drawn evenly over distances, not over the crowd at sqrt(2).

On the unit sphere of n dimensions nearly all pairs of independent points lie near distance sqrt(2).
Drawing a negative with probability proportional to 1 / q(D), q being the density of distances,
spreads the draws over all distances. The weights span hundreds of e-folds (370 between D = 0.5 and
1.4 at n = 512), so everything happens in logarithms.

Source: Wu et al., "Sampling Matters in Deep Embedding Learning", ICCV 2017, arXiv 1706.07567,
section 4.1.
"""

import math

import torch
from torch import Tensor

from vultus.core.checks import check_positive_int, check_range
from vultus.mining.triplets import (
    Split,
    Triplets,
    as_split,
    check_distances,
    negative_mask,
    positive_pairs,
)

_CHUNK_ELEMENTS = 2**22
_NEAREST = 0.5


def log_distance_weights(distances: Tensor, *, dim: int) -> Tensor:
    """Ln of 1 / q(D) up to a constant: (2 - n) ln D - (n - 3) / 2 ln(1 - D^2 / 4).

    Args:
        distances: Any shape, Euclidean (not squared) between unit vectors, [0, 2]; below 0.5 they
            count as 0.5, so that outliers and wrong labels do not take all draws.
        dim: n, at least 2.

    Returns:
        Same shape; plus infinity at D = 2 for n > 3.
    """
    check_positive_int("dim", dim, minimum=2)
    near = distances.clamp(_NEAREST, 2.0)
    return (2 - dim) * near.log() - (dim - 3) / 2 * torch.log1p(-near.square() / 4)


def effective_negatives(log_weights: Tensor) -> Tensor:
    """How many equally likely choices a draw is worth: (sum w)^2 / sum w^2, row by row.

    Near 1, the draw is an argmax in disguise: raise ``temperature`` of
    `distance_weighted_triplets`.

    Args:
        log_weights: (m, k), minus infinity where there is no candidate.

    Returns:
        (m,) between 1 and k; 0 for a row without a candidate.
    """
    some = torch.isfinite(log_weights).any(dim=1)
    log_sum = torch.logsumexp(log_weights, dim=1)
    log_squares = torch.logsumexp(2 * log_weights, dim=1)
    return torch.where(some, 2 * log_sum - log_squares, -torch.inf).exp()


def distance_weighted_triplets(
    distances: Tensor,
    labels: Tensor | Split,
    *,
    dim: int,
    generator: torch.Generator,
    farthest: float = 1.4,
    temperature: float = 1.0,
) -> Triplets:
    """Every anchor-positive pair with a negative drawn in proportion to 1 / q(D).

    Only negatives nearer than ``farthest`` count; farther ones would have no loss, and near D = 2
    their weights grow again. An anchor with negatives, but none so near, draws evenly among all.

    Args:
        distances: (n, n) Euclidean (not squared) between unit embeddings; or (n, m) of queries from
            references.
        labels: (n,) integer, or split; -1 takes no part.
        dim: Length of the embeddings.
        generator: On the distances' device.
        farthest: Above 0.5, at most 2.
        temperature: Divides the log-weights: 1 is the paper; above, draws are more even.

    Returns:
        One triplet for each ordered pair of positives whose anchor has a negative.

    Raises:
        InputError: If shapes do not match or a setting is out of range.
    """
    distances = check_distances(distances, labels)
    check_range("farthest", farthest, low=_NEAREST, low_open=True, high=2)
    check_range("temperature", temperature, low=0, low_open=True)
    anchors, positives = positive_pairs(labels)
    log_weights = _candidate_log_weights(
        distances, negative_mask(labels), dim=dim, farthest=farthest
    )
    log_weights = log_weights / temperature
    kept = (log_weights > -math.inf).any(dim=1)[anchors]
    anchors, positives = anchors[kept], positives[kept]
    negatives = torch.empty_like(anchors)
    step = max(1, _CHUNK_ELEMENTS // max(len(as_split(labels).references), 1))
    for start in range(0, len(anchors), step):
        rows = log_weights[anchors[start : start + step]]
        waiting = torch.empty_like(rows).exponential_(generator=generator)
        # The highest log-weight plus Gumbel noise (minus the logarithm of an exponential variate)
        # is a draw in proportion to the weights, with no weight ever formed.
        noisy = rows - waiting.clamp_min_(torch.finfo(rows.dtype).tiny).log_()
        negatives[start : start + step] = noisy.argmax(dim=1)
    return Triplets(anchors, positives, negatives)


def _candidate_log_weights(
    distances: Tensor, others: Tensor, *, dim: int, farthest: float
) -> Tensor:
    """(n, n) log-weights, minus infinity for what must not be drawn, 0 in rows that draw evenly.

    The own identity is masked before anything is compared with a row's maximum.
    """
    near = others & (distances < farthest)
    weights = log_distance_weights(distances, dim=dim).masked_fill(~near, -torch.inf)
    evenly = torch.zeros_like(weights).masked_fill(~others, -torch.inf)
    return torch.where(near.any(dim=1)[:, None], weights, evenly)
