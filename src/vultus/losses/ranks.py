"""Sums over the processes of a distributed run."""

import torch
from torch import Tensor, distributed

__all__ = ["sum_over_ranks"]


@torch.no_grad()
def sum_over_ranks(values: Tensor) -> Tensor:
    """Element-wise sum over all processes; the values themselves where there is only one.

    Args:
        values: Same shape and dtype on every rank; not modified.

    Returns:
        A detached tensor.
    """
    total = values.detach().clone()
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(total)
    return total
