"""Batches of triplets that were mined from a whole set."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import ConfigError, TrainingError
from vultus.mining.triplets import Triplets
from vultus.sampling.sampler import SAMPLERS, Batch, BatchSampler, Share
from vultus.sampling.samplers import Labels


@SAMPLERS.register("offline")
class OfflineTripletSampler(BatchSampler):
    """Batches of mined triplets: anchors first, then their positives, then their negatives.

    An epoch is one round of mining: whoever trains gives `take` the triplets (`offline_triplets`)
    before it begins. Triplets are shuffled, and come again where there are fewer than are needed.
    The triplets are in the state, so that a run can be resumed in the middle of an epoch.

    Args:
        labels: (n,) integer identity of each sample.
        triplets: Of a batch, which has three times as many samples.
        every: Batches from one round of mining to the next, of each process.
        margin: For the mining, in squared distance.
        seed: Of all draws.
        share: Which process this is.

    Attributes:
        mined: (m, 3) int64 anchors, positives and negatives; None before the first round.

    Source: "every n steps" of Schroff et al., "FaceNet", CVPR 2015, arXiv 1503.03832, section 3.2.
    """

    resumes_with_other_world_size = False

    def __init__(
        self,
        labels: Labels,
        *,
        triplets: int,
        every: int,
        margin: float = 0.2,
        seed: int = 0,
        share: Share | None = None,
    ) -> None:
        super().__init__(labels, seed=seed, share=share)
        self.triplets = check_positive_int("triplets", triplets)
        self.batch_size = 3 * self.triplets
        self.every = check_positive_int("every", every)
        self.margin = check_range("margin", margin, low=0, low_open=True)
        self.mined: Tensor | None = None

    def take(self, triplets: Triplets) -> None:
        """Use these triplets from the next epoch on.

        Raises:
            TrainingError: If there are none.
        """
        if not len(triplets.anchors):
            raise TrainingError(
                "offline mining found no triplet that violates the margin: there is nothing left "
                "to learn; raise sampler.margin, or train for fewer steps"
            )
        self.mined = torch.stack(list(triplets), dim=1).cpu()

    def num_batches(self) -> int:
        """``every`` for each process."""
        return self.every * self.share.world_size

    def epoch_batches(self, generator: np.random.Generator) -> list[Batch]:
        """Shuffled triplets, each as often as any other give or take one."""
        if self.mined is None:
            raise ConfigError("the sampler 'offline' needs triplets before an epoch begins")
        rows = self.mined.numpy()
        needed = self.num_batches() * self.triplets
        rounds = -(-needed // len(rows))
        order = np.concatenate([generator.permutation(len(rows)) for _ in range(rounds)])[:needed]
        return [list(map(int, rows[part].T.ravel())) for part in order.reshape(-1, self.triplets)]

    def state_dict(self) -> dict[str, Any]:
        """Also the triplets."""
        return {**super().state_dict(), "mined": self.mined}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `BatchSampler.load_state_dict`; takes the triplets too."""
        super().load_state_dict(state)
        self.mined = state.get("mined")
