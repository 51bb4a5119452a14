"""Row-sparse SGD against torch.optim.SGD and against a loop over rows."""

import pytest
import torch
from torch import Tensor

from vultus.core.errors import InputError
from vultus.losses.many_classes.row_sparse_sgd import RowSparseSGD


def row_sparse(rows: list[int], values: Tensor, length: int) -> Tensor:
    shape = (length, values.shape[1])
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, shape, check_invariants=True)


def test_with_a_gradient_for_every_row_it_is_momentum_sgd() -> None:
    start = torch.randn(5, 3)
    mine, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizer = RowSparseSGD([mine], lr=0.1, momentum=0.9, weight_decay=0.05)
    reference = torch.optim.SGD([theirs], lr=0.1, momentum=0.9, weight_decay=0.05)
    for step in range(5):
        gradient = torch.randn(5, 3)
        theirs.grad = gradient
        mine.grad = gradient if step % 2 else gradient.to_sparse(1)
        optimizer.step()
        reference.step()
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rows_against_a_loop(momentum: float) -> None:
    parameter = torch.nn.Parameter(torch.randn(6, 2))
    weight, velocity = parameter.detach().clone(), torch.zeros(6, 2)
    optimizer = RowSparseSGD([parameter], lr=0.2, momentum=momentum, weight_decay=0.1)
    for rows in ([0, 3], [3, 4], [0]):
        values = torch.randn(len(rows), 2)
        parameter.grad = row_sparse([*rows], values, 6)
        optimizer.step()
        for row, value in zip(rows, values, strict=True):
            velocity[row] = momentum * velocity[row] + value + 0.1 * weight[row]
            weight[row] -= 0.2 * velocity[row]
    torch.testing.assert_close(parameter.detach(), weight)


def test_rows_named_twice_add_up() -> None:
    parameter = torch.nn.Parameter(torch.zeros(3, 1))
    parameter.grad = row_sparse([1, 0, 1], torch.tensor([[1.0], [2.0], [3.0]]), 3)
    RowSparseSGD([parameter], lr=1.0).step()
    assert parameter[:, 0].tolist() == [-2, -4, 0]


def test_a_scheduler_and_a_closure_work() -> None:
    parameter = torch.nn.Parameter(torch.ones(2, 1))
    optimizer = RowSparseSGD([parameter], lr=1.0, momentum=0.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)

    def closure() -> float:
        optimizer.zero_grad()
        loss = parameter.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    assert optimizer.step(closure) == 2
    scheduler.step()
    optimizer.step(closure)
    assert parameter[:, 0].tolist() == [-0.5, -0.5]


def test_bad_settings_and_gradients_are_refused() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2, 2))
    with pytest.raises(InputError, match="momentum must be"):
        RowSparseSGD([parameter], lr=0.1, momentum=1.0)
    parameter.grad = torch.eye(2).to_sparse()
    with pytest.raises(InputError, match="sparse in rows only"):
        RowSparseSGD([parameter], lr=0.1).step()
    scalar = torch.nn.Parameter(torch.zeros(()))
    scalar.grad = torch.ones(())
    with pytest.raises(InputError, match="must have rows"):
        RowSparseSGD([scalar], lr=0.1).step()
