"""Sums over the processes of a distributed run."""

import torch
from torch import Tensor, distributed

from vultus.core.errors import InputError


@torch.no_grad()
def sum_over_processes(values: Tensor) -> Tensor:
    """Element-wise sum over all processes; the values themselves where there is only one.

    Args:
        values: Same shape and dtype on every process; not modified.

    Returns:
        A detached tensor.
    """
    total = values.detach().clone()
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(total)
    return total


def every_process_has_rows(rows: int, *, failed: bool = False, device: torch.device) -> bool:
    """Whether all processes have something to sum; asked before sums, so that none waits for ever.

    Args:
        rows: Of this process.
        failed: Whether this process cannot take its batch; it will say why itself.
        device: Where the processes talk.

    Raises:
        InputError: If another process cannot take its batch.
    """
    told = sum_over_processes(torch.tensor([int(failed), int(rows == 0)], device=device))
    failures, empty = told.tolist()
    if failures and not failed:
        raise InputError(
            f"every process must have a valid batch, {failures} of them refused theirs; "
            "their messages say why"
        )
    return not (failures or empty)
