"""How much each batch counts when several batches or processes make one step."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vultus.data.loading.batch import FaceBatch
from vultus.losses.base import IGNORED
from vultus.losses.process_sums import sum_over_processes


class BatchWeight(NamedTuple):
    """What to multiply the mean losses of one batch with.

    Attributes:
        labelled: 0-d float32, for a mean over the rows with a label.
        readable: 0-d float32, for a mean over the rows whose image could be read.
    """

    labelled: Tensor
    readable: Tensor


def batch_weights(
    batches: Sequence[FaceBatch], *, device: torch.device, processes: int = 1, spans: bool = False
) -> list[BatchWeight]:
    """What to multiply each batch's mean loss with, so that the gradient is that of one big mean.

    With n_k rows that count (label not -1, or image readable) in batch k, and N in all batches of
    all processes, the weight is ``processes`` n_k / N: the gradients are averaged over the
    processes afterwards. A loss that spans the processes (a head whose classes are cut over them)
    is a mean over the k-th batches of all of them; then n_k is that number, and the weight n_k / N.

    Exact for losses that are a mean over rows. Losses over pairs or triplets see the pairs inside
    each batch only; running statistics move once a batch.

    Args:
        batches: Of one step; all processes call this together with equally many.
        device: Where the weights go.
        processes: How many there are.
        spans: Whether the loss of the labelled rows spans them.

    Returns:
        One a batch. All 0 where no row counts.
    """
    labelled = [(batch.labels != IGNORED).sum() for batch in batches]
    readable = [batch.readable_rows().sum() for batch in batches]
    own = torch.stack([torch.stack(labelled), torch.stack(readable)]).to(device).float()
    everyone = sum_over_processes(own)
    counted = processes * own
    if spans:
        counted[0] = everyone[0]
    shares = counted / everyone.sum(dim=1, keepdim=True).clamp_min(1)
    return [BatchWeight(*share) for share in shares.unbind(dim=1)]
