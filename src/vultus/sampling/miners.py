"""Miners: semi-hard, hard, batch hard. See `triplets` for what all of them promise."""

from typing import Literal

import torch
from torch import Tensor

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.sampling.triplets import Triplets, negative_mask, positive_mask, positive_pairs

__all__ = [
    "Fallback",
    "batch_hard_triplets",
    "check_distances",
    "hard_triplets",
    "semi_hard_triplets",
]

Fallback = Literal["drop", "easiest", "violator"]
"""What a pair without a semi-hard negative gets; see `semi_hard_triplets`."""

_CHUNK_ELEMENTS = 2**22


def semi_hard_triplets(
    distances: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.2,
    fallback: Fallback = "drop",
    generator: torch.Generator | None = None,
) -> Triplets:
    """Every anchor-positive pair with a negative that is farther than the positive, but not enough.

    Semi-hard is d_ap < d_an < d_ap + margin. Without a generator a pair gets the nearest such
    negative, with one a random one. A pair that has none:

    - ``"drop"`` is left out;
    - ``"easiest"`` gets the farthest negative (the rule of TensorFlow Addons);
    - ``"violator"`` gets a negative with d_an <= d_ap, chosen like the semi-hard ones (without a
      generator the farthest of them, which is the least hard); if it has none of these either, it
      is left out.

    Args:
        distances: (n, n), squared ones for FaceNet's margin.
        labels: (n,) integer; -1 takes no part.
        margin: Above 0, in units of ``distances``.
        fallback: See above.
        generator: On the distances' device; draws at random instead of the hardest.

    Returns:
        At most one triplet for each ordered pair of positives.

    Raises:
        InputError: If shapes do not match or a setting is out of range.

    Source: Schroff et al., "FaceNet", CVPR 2015, arXiv 1503.03832, section 3.2, equation 4.
    """
    check_distances(distances, labels)
    check_range("margin", margin, low=0, low_open=True)
    if fallback not in ("drop", "easiest", "violator"):
        raise InputError(f"fallback must be 'drop', 'easiest' or 'violator', got {fallback!r}")
    anchors, positives = positive_pairs(labels)
    others = negative_mask(labels)
    chosen: list[Tensor] = []
    step = max(1, _CHUNK_ELEMENTS // max(len(labels), 1))
    for start in range(0, len(anchors), step):
        part = slice(start, start + step)
        to_others, candidates = distances[anchors[part]], others[anchors[part]]
        to_positive = distances[anchors[part], positives[part]][:, None]
        semi_hard = candidates & (to_others > to_positive) & (to_others < to_positive + margin)
        picked = _pick(-to_others, semi_hard, generator)
        if fallback == "easiest":
            picked = torch.where(picked < 0, _pick(to_others, candidates, None), picked)
        if fallback == "violator":
            violators = candidates & (to_others <= to_positive)
            picked = torch.where(picked < 0, _pick(to_others, violators, generator), picked)
        chosen.append(picked)
    negatives = torch.cat(chosen) if chosen else anchors
    kept = negatives >= 0
    return Triplets(anchors[kept], positives[kept], negatives[kept])


def hard_triplets(distances: Tensor, labels: Tensor) -> Triplets:
    """Every anchor-positive pair with the nearest negative of the anchor.

    The variant that FaceNet warns of: from the start of training it can collapse, all embeddings
    alike, because the hardest negatives are often wrong labels.

    Args:
        distances: (n, n).
        labels: (n,) integer; -1 takes no part.

    Returns:
        One triplet for each ordered pair of positives whose anchor has a negative.

    Raises:
        InputError: If shapes do not match.
    """
    check_distances(distances, labels)
    anchors, positives = positive_pairs(labels)
    negatives = _pick(-distances, negative_mask(labels), None)[anchors]
    kept = negatives >= 0
    return Triplets(anchors[kept], positives[kept], negatives[kept])


def batch_hard_triplets(distances: Tensor, labels: Tensor) -> Triplets:
    """Each anchor with its farthest positive and its nearest negative.

    Args:
        distances: (n, n).
        labels: (n,) integer; -1 takes no part.

    Returns:
        One triplet for each row that has both a positive and a negative; on ties the lower row.

    Raises:
        InputError: If shapes do not match.

    Source: Hermans et al., "In Defense of the Triplet Loss", arXiv 1703.07737, equation 5.
    """
    check_distances(distances, labels)
    positives = _pick(distances, positive_mask(labels), None)
    negatives = _pick(-distances, negative_mask(labels), None)
    anchors = ((positives >= 0) & (negatives >= 0)).nonzero()[:, 0]
    return Triplets(anchors, positives[anchors], negatives[anchors])


def check_distances(distances: Tensor, labels: Tensor) -> None:
    """Check that distances are floating, (n, n), without NaN, for n labels.

    Raises:
        InputError: If not.
    """
    rows = len(labels)
    if not distances.is_floating_point() or distances.shape != (rows, rows):
        raise InputError(
            f"distances must be floating of shape ({rows}, {rows}), "
            f"got {distances.dtype} of shape {tuple(distances.shape)}"
        )
    if bool(distances.isnan().any()):
        raise InputError("distances must not be NaN; look for NaN in the embeddings")


def _pick(scores: Tensor, allowed: Tensor, generator: torch.Generator | None) -> Tensor:
    """The allowed column of the highest score in each row, or a random one; -1 if none is."""
    if scores.shape[1] == 0:
        return torch.full((len(scores),), -1, device=scores.device)
    if generator is not None:
        scores = torch.rand(scores.shape, generator=generator, device=scores.device)
    # Infinite distances are allowed to win: the mask decides, not the masked score alone.
    lowest = torch.finfo(scores.dtype).min
    best = scores.clamp_min(lowest).masked_fill(~allowed, -torch.inf).argmax(dim=1)
    return torch.where(allowed.any(dim=1), best, -1)
