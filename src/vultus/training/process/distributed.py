"""The processes of a run: who this one is, and what they must do together."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from vultus.core.errors import ConfigError, VultusError
from vultus.sampling.sampler import Share

_T = TypeVar("_T")

_TIMEOUT = timedelta(minutes=30)  # the first process evaluates and saves while the others wait
_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


@dataclass(frozen=True)
class World:
    """This process among those of the run. The default is a run of one process on the CPU.

    The methods must be called by all processes together, in the same order.

    Attributes:
        rank: 0 for the first, which alone writes files.
        size: Number of processes.
        device: Where this process computes.
        group: All processes; None if this is the only one.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable
    group: ProcessGroup | None = None

    @classmethod
    def alone(cls, device: str = "auto") -> "World":
        """A run of one process on a device, as `join_world` names it.

        Raises:
            ConfigError: If the device is not there.
        """
        return cls(device=_device(device, local_rank=0))

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of the run."""
        return self.rank == 0

    @property
    def share(self) -> Share:
        """This process's share of the batches."""
        return Share(self.rank, self.size)

    def any_of(self, flags: Tensor) -> list[bool]:
        """For each flag whether it is set on any process; the same answer on all.

        Args:
            flags: (n,) bool on any device.
        """
        if self.group is None:
            return [bool(flag) for flag in flags.tolist()]
        told = flags.to(self.device, torch.uint8)
        dist.all_reduce(told, op=dist.ReduceOp.MAX, group=self.group)
        return [bool(flag) for flag in told.tolist()]

    def any_rank(self, flag: bool) -> bool:
        """Whether the flag is set on any process; the same answer on all."""
        return flag if self.group is None else self.any_of(torch.tensor([flag]))[0]

    def gather(self, piece: Any) -> list[Any]:
        """What each process gave, by rank, on all; for small pieces on the CPU."""
        if self.group is None:
            return [piece]
        pieces: list[Any] = [None] * self.size
        dist.all_gather_object(pieces, piece, group=self.group)
        return pieces

    def on_first(self, action: Callable[[], _T]) -> _T:
        """Let the first process act, and give its (small) result to all.

        Raises:
            VultusError: On every process, if the action raised one; so none goes on alone.
        """
        if self.group is None:
            return action()
        outcome: list[Any] = [None, None]
        if self.is_first:
            try:
                outcome[0] = action()
            except VultusError as error:
                outcome[1] = error
        dist.broadcast_object_list(outcome, group=self.group, group_src=0)
        result, failure = outcome
        if failure is not None:
            raise failure
        return result  # type: ignore[no-any-return]

    def raise_together(self, failure: VultusError | None) -> NoReturn:
        """Raise on every process what any of them has met.

        Args:
            failure: Of this process, or None; at least one process must have one.

        Raises:
            VultusError: The process's own failure, or else that of the first that has one.
        """
        failures: list[VultusError] = [one for one in self.gather(failure) if one is not None]
        raise failures[0] if failure is None else failure

    def wrap(self, backbone: nn.Module) -> nn.Module:
        """The network with gradients averaged over the processes; itself if there is only one.

        Sharded heads stay outside: their rows differ from process to process.

        Args:
            backbone: On `device`; its frozen parameters must be frozen already. All processes get
                the first one's weights.
        """
        if self.group is None or not any(p.requires_grad for p in backbone.parameters()):
            return backbone
        on_gpu = self.device.type == "cuda"
        return DistributedDataParallel(
            backbone,
            device_ids=[self.device.index] if on_gpu else None,
            process_group=self.group,
            gradient_as_bucket_view=True,
        )

    @torch.no_grad()
    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors with the first process's."""
        if self.group is not None:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), group=self.group, group_src=0)

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average gradients over the processes, for parameters that `wrap` does not hold.

        A parameter without a gradient on some processes counts as 0 there, and gets one. Sparse
        gradients become dense.
        """
        if self.group is None:
            return
        for parameter in parameters:
            gradient = parameter.grad
            if gradient is None:
                gradient = torch.zeros_like(parameter)
            parameter.grad = gradient.to_dense() if gradient.is_sparse else gradient
            dist.all_reduce(parameter.grad, group=self.group)
            parameter.grad /= self.size


@contextmanager
def join_world(device: str = "auto") -> Iterator[World]:
    """Meet the other processes that ``torchrun`` started; alone without it.

    An error on the way out leaves the group as it is: to say goodbye to processes that wait for
    this one could take for ever, and ``torchrun`` ends them.

    Args:
        device: ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"`` (one GPU a process, by
            its local rank) or ``"cuda:N"`` (a run of one process).

    Raises:
        ConfigError: If the device is not there, or torchrun's variables are incomplete.
    """
    present = [name for name in _TORCHRUN if name in os.environ]
    if not present:
        yield World.alone(device)
        return
    if len(present) < len(_TORCHRUN):
        raise ConfigError(
            f"{', '.join(_TORCHRUN)} must all be set, as torchrun does, or none; "
            f"only {', '.join(present)} found"
        )
    rank, size, local_rank = (int(os.environ[name]) for name in _TORCHRUN)
    chosen = _device(device, local_rank=local_rank)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    backend = "nccl" if chosen.type == "cuda" else "gloo"
    store = _store_of_this_life()
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_TIMEOUT)
    yield World(rank, size, chosen, dist.group.WORLD)
    # What still holds the group (a wrapped network is a cycle), or a process that leaves while
    # another is still talking, now and then aborts the interpreter on its way out.
    gc.collect()
    dist.barrier()
    dist.destroy_process_group()


def _store_of_this_life() -> Store:
    """Where the processes find each other.

    torchrun keeps its store when it restarts processes, and with it the addresses of the dead
    ones. On one machine the number of restarts tells lives apart; on several, each counts its own.
    """
    found: tuple[Store, int, int] = next(rendezvous("env://", timeout=_TIMEOUT))
    if os.environ.get("LOCAL_WORLD_SIZE") != os.environ["WORLD_SIZE"]:
        return found[0]
    return PrefixStore(f"life {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", found[0])


def _device(wanted: str, *, local_rank: int) -> torch.device:
    count = torch.cuda.device_count()
    if wanted == "auto":
        wanted = "cuda" if count else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:N, got {wanted!r}") from error
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", local_rank)
    if device.type not in ("cpu", "cuda") or (device.type == "cuda" and device.index >= count):
        raise ConfigError(f"device must be here, got {device}, found {count} CUDA devices")
    return device
