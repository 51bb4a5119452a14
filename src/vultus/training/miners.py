"""Miners by the name that a recipe uses: which triplets of a batch a loss is made of."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.core.registry import Registry
from vultus.sampling.distance_weighted import distance_weighted_triplets
from vultus.sampling.miners import (
    Fallback,
    batch_hard_triplets,
    hard_triplets,
    semi_hard_triplets,
)
from vultus.sampling.triplets import Triplets, all_triplets, squared_distances

__all__ = ["MINERS", "Miner"]


class Miner(Protocol):
    """Chooses triplets within a batch."""

    def __call__(self, rows: Tensor, labels: Tensor, generator: torch.Generator) -> Triplets:
        """Triplets of a batch.

        Args:
            rows: (n, d) features as the loss compares them, without a graph.
            labels: (n,) int64; -1 takes no part.
            generator: Of all draws, on the rows' device.
        """
        ...


MINERS: Registry[Miner] = Registry("miners")
"""Miners by name, made from their settings."""


@MINERS.register("semi-hard")
@dataclass(frozen=True, kw_only=True)
class SemiHardMiner:
    """See `vultus.sampling.miners.semi_hard_triplets`; squared distances.

    Attributes:
        margin: In squared distance.
        fallback: What a pair without a semi-hard negative gets.
        draw: Take a random semi-hard negative, not the nearest.
    """

    margin: float = 0.2
    fallback: Fallback = "drop"
    draw: bool = False

    def __post_init__(self) -> None:
        check_range("margin", self.margin, low=0, low_open=True)

    def __call__(self, rows: Tensor, labels: Tensor, generator: torch.Generator) -> Triplets:
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
    """See `vultus.sampling.miners.hard_triplets`."""

    def __call__(self, rows: Tensor, labels: Tensor, generator: torch.Generator) -> Triplets:
        """Every anchor-positive pair with the anchor's nearest negative."""
        return hard_triplets(squared_distances(rows), labels)


@MINERS.register("batch-hard")
@dataclass(frozen=True, kw_only=True)
class BatchHardMiner:
    """See `vultus.sampling.miners.batch_hard_triplets`."""

    def __call__(self, rows: Tensor, labels: Tensor, generator: torch.Generator) -> Triplets:
        """Each anchor with its farthest positive and its nearest negative."""
        return batch_hard_triplets(squared_distances(rows), labels)


@MINERS.register("all")
@dataclass(frozen=True, kw_only=True)
class AllMiner:
    """See `vultus.sampling.triplets.all_triplets`."""

    def __call__(self, rows: Tensor, labels: Tensor, generator: torch.Generator) -> Triplets:
        """Every valid triplet."""
        return all_triplets(labels)


@MINERS.register("distance-weighted")
@dataclass(frozen=True, kw_only=True)
class DistanceWeightedMiner:
    """See `vultus.sampling.distance_weighted`; for features of length 1.

    Attributes:
        farthest: Distance from which on negatives are not drawn.
        temperature: Above 1 draws are more even than in the paper.
    """

    farthest: float = 1.4
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_range("farthest", self.farthest, low=0.5, low_open=True, high=2)
        check_range("temperature", self.temperature, low=0, low_open=True)

    def __call__(self, rows: Tensor, labels: Tensor, generator: torch.Generator) -> Triplets:
        """Every anchor-positive pair with a negative drawn evenly over distances."""
        return distance_weighted_triplets(
            squared_distances(rows).sqrt(),
            labels,
            dim=rows.shape[1],
            generator=generator,
            farthest=self.farthest,
            temperature=self.temperature,
        )


@MINERS.register("as-sampled")
@dataclass(frozen=True, kw_only=True)
class AsSampledMiner:
    """The triplets that the sampler made: anchors, then their positives, then their negatives."""

    def __call__(self, rows: Tensor, labels: Tensor, generator: torch.Generator) -> Triplets:
        """Row i, i + n / 3 and i + 2 n / 3, where all three could be read.

        Raises:
            InputError: If the rows are no such triplets.
        """
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
