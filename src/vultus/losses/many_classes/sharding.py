"""Classes cut over processes: who holds which rows, and how rows travel.

The rows of a class-centre matrix (C, d) are cut into consecutive ranges, one a process, whose
lengths differ by at most one. What is saved is always the whole matrix, so that a run can go on
with another number of processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import ProcessGroup

from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError

_REFUSED = -1
"""Told in place of a batch's length."""


@dataclass(frozen=True, slots=True)
class ClassRange:
    """The classes start, ..., stop - 1 of num_classes."""

    start: int
    stop: int
    num_classes: int

    def __len__(self) -> int:
        return self.stop - self.start

    def cut(self, rows: Tensor) -> Tensor:
        """This range's rows of the whole (num_classes, ...) tensor, copied.

        Raises:
            InputError: If ``rows`` is not the whole.
        """
        if rows.ndim == 0 or len(rows) != self.num_classes:
            raise InputError(
                f"rows must hold all {self.num_classes} classes, got shape {tuple(rows.shape)}; "
                "join the shards first"
            )
        return rows[self.start : self.stop].clone()


def class_range(num_classes: int, *, rank: int, world_size: int) -> ClassRange:
    """The classes that a process holds.

    Args:
        num_classes: C, at least ``world_size``.
        rank: 0 ... world_size - 1.
        world_size: Number of processes.

    Raises:
        InputError: If a process would hold no class, or the rank is out of range.

    Example:
        >>> [len(class_range(10, rank=rank, world_size=3)) for rank in range(3)]
        [4, 3, 3]
    """
    check_positive_int("world_size", world_size)
    check_positive_int("num_classes", num_classes, minimum=world_size)
    if not 0 <= rank < world_size:
        raise InputError(f"rank must lie in [0, {world_size}), got {rank}")
    each, more = divmod(num_classes, world_size)
    start = rank * each + min(rank, more)
    return ClassRange(start, start + each + (rank < more), num_classes)


def rank_and_size(group: ProcessGroup | None) -> tuple[int, int]:
    """Rank and number of processes of a group; (0, 1) for None."""
    if group is None:
        return 0, 1
    return dist.get_rank(group), dist.get_world_size(group)


def shared_seed(group: ProcessGroup | None) -> int:
    """A seed drawn from torch's global generator, the first process's on every process."""
    seed = torch.randint(2**62, (1,))
    if group is None:
        return int(seed)
    # NCCL moves nothing but CUDA tensors.
    on_gpu = "nccl" in dist.get_backend(group)
    seed = seed.to("cuda" if on_gpu else "cpu")
    dist.broadcast(seed, dist.get_global_rank(group, 0), group=group)
    return int(seed)


def gather_batch(
    features: Tensor, labels: Tensor, *, group: ProcessGroup | None, gradient_factor: float = 1.0
) -> tuple[Tensor, Tensor]:
    """The features and labels of all processes, in the order of their ranks.

    Args:
        features: (n, d) of this process; n may differ between processes and may be 0.
        labels: (n,) int64.
        group: The processes, or None for this one alone.
        gradient_factor: Multiplies the gradient on its way back to ``features``.

    Returns:
        (N, d) and (N,), the same on every process. Going back, a process keeps the rows that it
        sent: the gradient of the gathered features must be complete on every process, as
        `fused_margin_cross_entropy` makes it.

    Raises:
        InputError: If another process called `refuse_batch` instead.
    """
    if group is None:
        return features, labels
    sizes = _sizes(len(features), group, features.device)
    gathered: Tensor = _GatherRows.apply(features, sizes, group, gradient_factor)  # type: ignore[no-untyped-call]
    return gathered, _gather(labels, sizes, group)


def refuse_batch(group: ProcessGroup | None, device: torch.device) -> None:
    """In place of `gather_batch`, by a process whose batch is wrong: the others wait no longer.

    Args:
        group: The processes, or None for this one alone.
        device: Where its features are.
    """
    if group is not None:
        _sizes(_REFUSED, group, device)


def join_shards(shard: Tensor, classes: ClassRange, *, group: ProcessGroup | None) -> Tensor:
    """The whole (num_classes, ...) tensor from the shards of all processes, on every process.

    Args:
        shard: This process's rows, len(classes) of them.
        classes: Which rows they are.
        group: All processes; they must call this together. None: ``shard`` is the whole.

    Raises:
        InputError: If the shard's length is not that of the range.
    """
    if len(shard) != len(classes):
        raise InputError(f"shard must hold {len(classes)} rows, got {len(shard)}")
    if group is None:
        return shard.clone()
    _, world = rank_and_size(group)
    sizes = [len(class_range(classes.num_classes, rank=r, world_size=world)) for r in range(world)]
    return _gather(shard, sizes, group)


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, sizes: Sequence[int], group: ProcessGroup, factor: float
    ) -> Tensor:
        rank = dist.get_rank(group)
        ctx.start, ctx.length, ctx.factor = sum(sizes[:rank]), sizes[rank], factor
        return _gather(rows, sizes, group)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        own = grads[0][ctx.start : ctx.start + ctx.length]
        return own * ctx.factor, None, None, None


def _sizes(length: int, group: ProcessGroup, device: torch.device) -> list[int]:
    own = torch.tensor([length], device=device)
    told = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
    dist.all_gather(told, own, group=group)
    sizes = [int(size) for size in told]
    if _REFUSED in sizes and length != _REFUSED:
        raise InputError(
            f"every process must have a valid batch, process {sizes.index(_REFUSED)} refused its "
            "own; its message says why"
        )
    return sizes


def _gather(rows: Tensor, sizes: Sequence[int], group: ProcessGroup) -> Tensor:
    """All processes' rows; padded to one length on the way, since backends ask for that."""
    longest = max(sizes)
    padded = rows.new_zeros(longest, *rows.shape[1:])
    padded[: len(rows)] = rows.detach()
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded, group=group)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
