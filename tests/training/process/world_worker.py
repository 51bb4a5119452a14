"""One of two processes that torchrun starts: every method of World, checked from inside."""

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from vultus.core.errors import CheckpointError, InputError
from vultus.training.process.distributed import World, join_world
from vultus.training.run.checkpoint import CheckpointFolder
from vultus.training.run.state_file import state_digest


def check_answers(world: World) -> None:
    """Flags, pieces and results are the same on both processes."""
    rank = world.rank
    assert (world.size, world.is_first, world.device.type) == (2, rank == 0, "cpu")
    assert (world.share.rank, world.share.world_size) == (rank, 2)
    assert world.any_rank(rank == 1)
    assert not world.any_rank(False)
    assert world.any_of(torch.tensor([False, rank == 0, rank == 1])) == [False, True, True]
    pieces = world.gather({"rank": rank, "torch": torch.full((2,), rank)})
    assert [int(piece["torch"][0]) for piece in pieces] == [0, 1]
    assert world.on_first(os.getpid) == world.gather(os.getpid())[0]


def check_errors(world: World, folder: Path) -> None:
    """An error of the first process comes to both."""
    (folder / "file").touch()
    blocked = CheckpointFolder(folder / "file")
    with pytest.raises(CheckpointError, match="must be a folder to write to"):
        world.on_first(lambda: blocked.save({}, step=1))


def check_failures(world: World) -> None:
    """Each process raises its own failure, or else the first one's."""
    for failing, said in (((1,), ("1", "1")), ((0, 1), ("0", "1"))):
        failure = InputError(f"of {world.rank}") if world.rank in failing else None
        with pytest.raises(InputError, match=f"of {said[world.rank]}"):
            world.raise_together(failure)


def check_gradients(world: World) -> None:
    """Wrapped or not, gradients are those of the mean over both processes' rows."""
    torch.manual_seed(world.rank)
    net, head = nn.Linear(3, 2), nn.Linear(2, 1)
    wrapped = world.wrap(net)
    world.copy_from_first(head.parameters())
    rows = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(7))
    head(wrapped(rows[world.rank])).square().mean().backward()
    world.average_gradients(head.parameters())
    found = [p.grad.clone() for p in (*net.parameters(), *head.parameters()) if p.grad is not None]
    net.zero_grad()
    head.zero_grad()
    head(net(rows.flatten(0, 1))).square().mean().backward()
    for own, whole in zip(found, (*net.parameters(), *head.parameters()), strict=True):
        assert whole.grad is not None
        torch.testing.assert_close(own, whole.grad)
    digests = world.gather(state_digest({**net.state_dict(), **head.state_dict()}))
    assert digests[0] == digests[1]


def check_missing_and_sparse(world: World) -> None:
    """A gradient that one process has not counts as 0 there."""
    lone, rows = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, 1))
    if world.rank == 1:
        lone.grad = torch.tensor([2.0, 4.0])
    rows.grad = torch.sparse_coo_tensor(
        torch.tensor([[world.rank]]), torch.tensor([[6.0]]), (2, 1), check_invariants=True
    )
    world.average_gradients([lone, rows])
    assert lone.grad is not None
    assert lone.grad.tolist() == [1.0, 2.0]
    assert rows.grad.tolist() == [[3.0], [3.0]]


def main(folder: Path, fails: bool) -> None:
    """Joins, checks, says so; or fails on one process while the other waits for it."""
    torch.set_num_threads(1)
    with join_world("cpu") as world:
        if fails:
            if world.rank == 1:
                raise ValueError("planted")
            world.any_rank(False)
        check_answers(world)
        check_errors(world, folder)
        check_failures(world)
        check_gradients(world)
        check_missing_and_sparse(world)
        (folder / f"done-{world.rank}").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] == ["fail"])
