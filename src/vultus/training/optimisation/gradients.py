"""The length of all gradients together, and cutting it down."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from vultus.losses.process_sums import sum_over_processes


@torch.no_grad()
def gradient_norm(
    parameters: Iterable[nn.Parameter], *, sharded: Sequence[nn.Parameter] = ()
) -> Tensor:
    """Euclidean length of all gradients taken as one vector, the same on every process.

    Args:
        parameters: Those without a gradient count as 0; sparse gradients are allowed.
        sharded: Those of them of which every process holds other rows; their squares are summed
            over the processes, who must then call this together.

    Returns:
        0-d float32 tensor.
    """
    cut = {id(parameter) for parameter in sharded}
    whole: list[Tensor] = []
    parts: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        values = parameter.grad
        if values.is_sparse:
            values = values.coalesce().values()
        length = torch.linalg.vector_norm(values.float())
        (parts if id(parameter) in cut else whole).append(length.square())
    device = (whole + parts)[0].device if whole or parts else torch.device("cpu")
    total = torch.stack(whole).sum() if whole else torch.zeros((), device=device)
    if sharded:
        own = torch.stack(parts).sum() if parts else torch.zeros((), device=device)
        total = total + sum_over_processes(own)
    return total.sqrt()


@torch.no_grad()
def clip_gradients(
    parameters: Iterable[nn.Parameter], *, norm: Tensor, max_norm: float | None
) -> None:
    """Scale all gradients so that their common length is at most ``max_norm``.

    Args:
        parameters: Those that ``norm`` is of.
        norm: What `gradient_norm` gave.
        max_norm: None leaves everything as it is.
    """
    if max_norm is None:
        return
    factor = (max_norm / norm.clamp_min(1e-12)).clamp_max(1.0)
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor.to(parameter.grad.device))
