"""A loss over triplets that a miner chooses, as one loss."""

import torch
from torch import Tensor

from vultus.core.errors import ConfigError
from vultus.losses.base import Loss, LossOutput
from vultus.losses.pairwise.margin_based import MarginBased
from vultus.losses.pairwise.pairs import PairwiseLoss, unit_split
from vultus.losses.pairwise.triplet import Triplet
from vultus.mining.miners import Miner
from vultus.mining.triplets import Split, as_split


class MinedLoss(PairwiseLoss):
    """`Triplet` or `MarginBased` with a miner of `vultus.mining.miners`.

    Random draws are seeded by ``seed`` and ``step``, so they are the same after a resume.

    Args:
        inner: The loss; a `Triplet`'s own mining is not used.
        miner: Chooses the triplets.
        seed: Of the miner's draws; give each process its own.

    Raises:
        ConfigError: If the loss takes no triplets.
    """

    takes_ignored = True  # a miner may need every row in its place

    def __init__(self, inner: Loss, miner: Miner, *, seed: int = 0) -> None:
        if not isinstance(inner, (MarginBased, Triplet)):
            raise ConfigError(
                "a miner needs a loss over triplets (triplet, margin-based), "
                f"{type(inner).__name__} is none"
            )
        super().__init__(num_classes=inner.num_classes, dim=inner.dim)
        self.inner = inner
        self.miner = miner
        self.seed = seed

    def compute(self, features: Tensor | Split, labels: Tensor | Split) -> LossOutput:
        """Mine, then the loss of what was found."""
        queries = as_split(features).queries
        generator = torch.Generator(queries.device).manual_seed(self.seed * 1_000_003 + self.step)
        inner = self.inner
        with torch.no_grad():
            normalised = not isinstance(inner, Triplet) or inner.normalize
            rows = unit_split(features) if normalised else features
            triplets = self.miner(rows, labels, generator)
        if isinstance(inner, Triplet):
            return inner.of_triplets(features, triplets)
        output = inner.of_triplets(features, labels, triplets)
        count = queries.new_tensor(float(len(triplets.anchors)))
        return LossOutput(output.loss, {**output.statistics, "triplets": count})
