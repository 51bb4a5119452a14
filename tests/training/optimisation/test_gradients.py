import pytest
import torch
from torch import nn

from vultus.training.optimisation.gradients import clip_gradients, gradient_norm


def parameters() -> list[nn.Parameter]:
    torch.manual_seed(0)
    made = [
        nn.Parameter(torch.zeros(4, 3)),
        nn.Parameter(torch.zeros(5)),
        nn.Parameter(torch.zeros(1)),
    ]
    for parameter in made[:2]:
        parameter.grad = torch.randn_like(parameter)
    return made  # the third has no gradient


def test_the_norm_is_that_of_one_long_vector() -> None:
    made = parameters()
    together = torch.cat([p.grad.flatten() for p in made if p.grad is not None])
    assert gradient_norm(made).item() == pytest.approx(together.norm().item())


def test_sparse_gradients_count_with_their_rows_and_repeated_rows_added_up() -> None:
    parameter = nn.Parameter(torch.zeros(4, 2))
    parameter.grad = torch.sparse_coo_tensor(
        torch.tensor([[1, 1, 3]]),
        torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 4.0]]),
        (4, 2),
        check_invariants=True,
    )
    assert gradient_norm([parameter]).item() == pytest.approx(5.0)
    clip_gradients([parameter], norm=torch.tensor(5.0), max_norm=1.0)
    assert gradient_norm([parameter]).item() == pytest.approx(1.0)


def test_clipping_is_torchs_and_never_lengthens() -> None:
    made, theirs = parameters(), parameters()
    torch.nn.utils.clip_grad_norm_(theirs, 0.5)
    clip_gradients(made, norm=gradient_norm(made), max_norm=0.5)
    torch.testing.assert_close(made[0].grad, theirs[0].grad)
    short = parameters()
    clip_gradients(short, norm=gradient_norm(short), max_norm=1e6)
    assert torch.equal(short[0].grad, parameters()[0].grad)  # type: ignore[arg-type]


def test_no_gradient_at_all_has_length_zero() -> None:
    assert gradient_norm([nn.Parameter(torch.zeros(1))]).item() == 0
    assert gradient_norm([]).item() == 0
