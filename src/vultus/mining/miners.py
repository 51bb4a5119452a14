"""Miners: semi-hard, hard, batch hard. See `triplets` for what all of them promise."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.core.registry import Registry
from vultus.mining.distance_weighted import distance_weighted_triplets
from vultus.mining.triplets import (
    Split,
    Triplets,
    all_triplets,
    as_split,
    check_distances,
    negative_mask,
    positive_mask,
    positive_pairs,
    squared_distances,
)

Fallback = Literal["drop", "easiest", "violator"]
"""What a pair without a semi-hard negative gets; see `semi_hard_triplets`."""


@torch.no_grad()
def semi_hard_triplets(
    distances: Tensor,
    labels: Tensor | Split,
    *,
    margin: float = 0.2,
    fallback: Fallback = "easiest",
    generator: torch.Generator | None = None,
) -> Triplets:
    """Every anchor-positive pair with a negative that is farther than the positive, but not enough.

    Semi-hard is d_ap < d_an < d_ap + margin. Without a generator a pair gets the nearest such
    negative, with one a random one. A pair that has none:

    - ``"easiest"`` gets the farthest negative (the rule of TensorFlow Addons): no loss where all
      are farther than the margin, but a way out for a network that has collapsed, where none is;
    - ``"violator"`` gets a negative with d_an <= d_ap, chosen like the semi-hard ones (without a
      generator the farthest of them, which is the least hard); if it has none of these either, it
      is left out;
    - ``"drop"`` is left out, for the paper says nothing of it.

    Args:
        distances: (n, n), or (n, m) of queries from references; squared ones for FaceNet's margin.
            NaN counts as farthest.
        labels: (n,) integer, or split; -1 takes no part.
        margin: Above 0, in units of ``distances``; infinity for "the nearest beyond the positive".
        fallback: See above.
        generator: On the distances' device; draws at random instead of the hardest.

    Returns:
        At most one triplet for each ordered pair of positives.

    Raises:
        InputError: If shapes do not match or a setting is out of range.

    Source: Schroff et al., "FaceNet", CVPR 2015, arXiv 1503.03832, section 3.2, equation 4.
    """
    distances = check_distances(distances, labels)
    check_range("margin", margin, low=0, low_open=True)
    if fallback not in ("drop", "easiest", "violator"):
        raise InputError(f"fallback must be 'drop', 'easiest' or 'violator', got {fallback!r}")
    others = negative_mask(labels)
    pairs = positive_pairs(labels)
    # A row's negatives by distance, then everything else at infinity. Semi-hard for a pair are
    # those from `start` to before `stop`: n^2 log n, where comparing pairs with rows takes n^3.
    ordered, order = distances.masked_fill(~others, math.inf).sort(dim=1)
    start = torch.searchsorted(ordered, distances, right=True)[pairs]
    stop = torch.searchsorted(ordered, distances + margin)[pairs]
    place = torch.where(start < stop, _between(start, stop, generator), -1)
    if fallback == "easiest":
        place = torch.where(place < 0, others.sum(dim=1)[pairs[0]] - 1, place)
    if fallback == "violator":
        violator = start - 1 if generator is None else _between(0 * start, start, generator)
        place = torch.where((place < 0) & (start > 0), violator, place)
    kept = place >= 0
    anchors, positives = pairs[0][kept], pairs[1][kept]
    return Triplets(anchors, positives, order[anchors, place[kept]])


def _between(start: Tensor, stop: Tensor, generator: torch.Generator | None) -> Tensor:
    """(m,) ``start``, or a random place from there to before ``stop``."""
    if generator is None:
        return start
    drawn = torch.rand(len(start), generator=generator, device=start.device)
    return start + (drawn * (stop - start)).long()


@torch.no_grad()
def hard_triplets(distances: Tensor, labels: Tensor | Split) -> Triplets:
    """Every anchor-positive pair with the nearest negative of the anchor.

    The variant that FaceNet warns of: from the start of training it can collapse, all embeddings
    alike, because the hardest negatives are often wrong labels.

    Args:
        distances: (n, n), or (n, m) of queries from references; NaN counts as farthest.
        labels: (n,) integer, or split; -1 takes no part.

    Returns:
        One triplet for each ordered pair of positives whose anchor has a negative.

    Raises:
        InputError: If shapes do not match.
    """
    distances = check_distances(distances, labels)
    anchors, positives = positive_pairs(labels)
    negatives = _highest(-distances, negative_mask(labels))[anchors]
    kept = negatives >= 0
    return Triplets(anchors[kept], positives[kept], negatives[kept])


@torch.no_grad()
def batch_hard_triplets(distances: Tensor, labels: Tensor | Split) -> Triplets:
    """Each anchor with its farthest positive and its nearest negative.

    Args:
        distances: (n, n), or (n, m) of queries from references; NaN counts as farthest.
        labels: (n,) integer, or split; -1 takes no part.

    Returns:
        One triplet for each row that has both a positive and a negative; on ties the lower row.

    Raises:
        InputError: If shapes do not match.

    Source: Hermans et al., "In Defense of the Triplet Loss", arXiv 1703.07737, equation 5.
    """
    distances = check_distances(distances, labels)
    positives = _highest(distances, positive_mask(labels))
    negatives = _highest(-distances, negative_mask(labels))
    anchors = ((positives >= 0) & (negatives >= 0)).nonzero()[:, 0]
    return Triplets(anchors, positives[anchors], negatives[anchors])


def _highest(scores: Tensor, allowed: Tensor) -> Tensor:
    """The allowed column of the highest score in each row, -1 if none is."""
    if not scores.numel():
        return torch.full((len(scores),), -1, device=scores.device)
    best = scores.masked_fill(~allowed, -math.inf).argmax(dim=1)
    return torch.where(allowed.any(dim=1), best, -1)


class Miner(Protocol):
    """Chooses triplets within a batch."""

    def __call__(
        self, rows: Tensor | Split, labels: Tensor | Split, generator: torch.Generator
    ) -> Triplets:
        """Triplets of a batch.

        Args:
            rows: (n, d) features as the loss compares them, without a graph; or split.
            labels: (n,) int64; -1 takes no part. Split as the rows are.
            generator: Of all draws, on the rows' device.
        """
        ...


MINERS: Registry[Miner] = Registry("miners")
"""Miners by name, made from their settings."""


@MINERS.register("semi-hard")
@dataclass(frozen=True, kw_only=True)
class SemiHardMiner:
    """See `vultus.mining.miners.semi_hard_triplets`; squared distances.

    Attributes:
        margin: In squared distance.
        fallback: What a pair without a semi-hard negative gets.
        draw: Take a random semi-hard negative, not the nearest.
    """

    margin: float = 0.2
    fallback: Fallback = "easiest"
    draw: bool = False

    def __post_init__(self) -> None:
        check_range("margin", self.margin, low=0, low_open=True)

    def __call__(
        self, rows: Tensor | Split, labels: Tensor | Split, generator: torch.Generator
    ) -> Triplets:
        """Every anchor-positive pair with a semi-hard negative."""
        return semi_hard_triplets(
            squared_distances(rows),
            labels,
            margin=self.margin,
            fallback=self.fallback,
            generator=generator if self.draw else None,
        )


@MINERS.register("hard")
@dataclass(frozen=True, kw_only=True)
class HardMiner:
    """See `vultus.mining.miners.hard_triplets`."""

    def __call__(
        self, rows: Tensor | Split, labels: Tensor | Split, generator: torch.Generator
    ) -> Triplets:
        """Every anchor-positive pair with the anchor's nearest negative."""
        return hard_triplets(squared_distances(rows), labels)


@MINERS.register("batch-hard")
@dataclass(frozen=True, kw_only=True)
class BatchHardMiner:
    """See `vultus.mining.miners.batch_hard_triplets`."""

    def __call__(
        self, rows: Tensor | Split, labels: Tensor | Split, generator: torch.Generator
    ) -> Triplets:
        """Each anchor with its farthest positive and its nearest negative."""
        return batch_hard_triplets(squared_distances(rows), labels)


@MINERS.register("all")
@dataclass(frozen=True, kw_only=True)
class AllMiner:
    """See `vultus.mining.triplets.all_triplets`."""

    def __call__(
        self, rows: Tensor | Split, labels: Tensor | Split, generator: torch.Generator
    ) -> Triplets:
        """Every valid triplet."""
        return all_triplets(labels)


@MINERS.register("distance-weighted")
@dataclass(frozen=True, kw_only=True)
class DistanceWeightedMiner:
    """See `vultus.mining.distance_weighted`; for features of length 1.

    Attributes:
        farthest: Distance from which on negatives are not drawn.
        temperature: Above 1 draws are more even than in the paper.
    """

    farthest: float = 1.4
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_range("farthest", self.farthest, low=0.5, low_open=True, high=2)
        check_range("temperature", self.temperature, low=0, low_open=True)

    def __call__(
        self, rows: Tensor | Split, labels: Tensor | Split, generator: torch.Generator
    ) -> Triplets:
        """Every anchor-positive pair with a negative drawn evenly over distances."""
        return distance_weighted_triplets(
            squared_distances(rows).sqrt(),
            labels,
            dim=as_split(rows).queries.shape[1],
            generator=generator,
            farthest=self.farthest,
            temperature=self.temperature,
        )


@MINERS.register("as-sampled")
@dataclass(frozen=True, kw_only=True)
class AsSampledMiner:
    """The triplets that the sampler made: anchors, then their positives, then their negatives."""

    def __call__(
        self, rows: Tensor | Split, labels: Tensor | Split, generator: torch.Generator
    ) -> Triplets:
        """Row i, i + n / 3 and i + 2 n / 3, where all three could be read.

        Raises:
            InputError: If the rows are no such triplets.
        """
        if isinstance(labels, Split):
            raise InputError(
                "the miner 'as-sampled' takes the sampler's triplets, which have no reference; "
                "leave the reference out, or mine with another"
            )
        if len(labels) % 3:
            raise InputError(
                f"the miner 'as-sampled' needs batches of whole triplets, got {len(labels)} rows; "
                "use it with the sampler 'offline'"
            )
        thirds = torch.arange(len(labels), device=labels.device).view(3, -1)
        anchor, positive, negative = labels[thirds]
        known = (labels[thirds] >= 0).all(dim=0)
        if bool((known & ((anchor != positive) | (anchor == negative))).any()):
            raise InputError(
                "the miner 'as-sampled' got rows that are no triplets; "
                "use it with the sampler 'offline'"
            )
        return Triplets(*thirds[:, known])
