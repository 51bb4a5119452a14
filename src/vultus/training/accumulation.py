"""How much each batch counts when several batches or processes make one step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vultus.data.loader import FaceBatch
from vultus.losses.base import IGNORED
from vultus.losses.ranks import sum_over_ranks

__all__ = ["batch_weights"]


def batch_weights(
    batches: Sequence[FaceBatch], *, device: torch.device, processes: int = 1, spans: bool = False
) -> list[Tensor]:
    """What to multiply each batch's mean loss with, so that the gradient is that of one big mean.

    With n_k rows that count (label not -1) in batch k, and N in all batches of all processes, the
    weight is ``processes`` n_k / N: the gradients are averaged over the processes afterwards. A
    loss that spans the processes (a head whose classes are cut over them) is a mean over the k-th
    batches of all of them; then n_k is that number, and the weight n_k / N.

    Exact for losses that are a mean over rows. Losses over pairs or triplets see the pairs inside
    each batch only; running statistics move once a batch.

    Args:
        batches: Of one step; all processes call this together with equally many.
        device: Where the weights go.
        processes: How many there are.
        spans: Whether the loss spans them.

    Returns:
        0-d float32 tensors, one a batch. All 0 where no row counts.
    """
    own = torch.stack([(batch.labels != IGNORED).sum() for batch in batches]).to(device).float()
    everyone = sum_over_ranks(own)
    counted = everyone if spans else processes * own
    return list(counted / everyone.sum().clamp_min(1))
