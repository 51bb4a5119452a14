import math

import pytest
import torch

from vultus.losses.pairwise.pairs import (
    mean_or_zero,
    pairwise_distances,
    row_distances,
    safe_sqrt,
)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("squared", [True, False])
def test_distances_equal_the_loops(normalize: bool, squared: bool) -> None:
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 5
    rows = [list(row) for row in x.tolist()]
    if normalize:
        rows = [[value / math.hypot(*row) for value in row] for row in rows]
    distances = pairwise_distances(x, normalize=normalize, squared=squared)
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            expected = math.dist(a, b) ** (2 if squared else 1)
            assert distances[i, j].item() == pytest.approx(expected, rel=1e-9, abs=2e-6)


def test_a_common_shift_costs_no_digits() -> None:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    near = pairwise_distances(x, normalize=False, squared=True)
    far = pairwise_distances(x + 1000, normalize=False, squared=True)
    assert (near - far).abs().max() < 1e-2  # without centring: errors of about 1


def test_the_root_has_a_finite_gradient_at_zero() -> None:
    x = torch.ones(3, 4, requires_grad=True)
    distances = pairwise_distances(x, normalize=False, squared=False)
    (gradient,) = torch.autograd.grad(distances.sum(), x)
    assert torch.isfinite(gradient).all()
    zero = torch.zeros(1, requires_grad=True)
    assert torch.isfinite(torch.autograd.grad(safe_sqrt(zero).sum(), zero)[0]).all()


def test_row_distances() -> None:
    a, b = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 1.0]])
    assert row_distances(a, b, squared=True).tolist() == [25.0, 0.0]
    assert row_distances(a, b, squared=False).tolist() == pytest.approx([5.0, 1e-6])


def test_mean_or_zero() -> None:
    features = torch.ones(2, 2, requires_grad=True)
    values = torch.tensor([1.0, 0.0, 3.0])
    assert mean_or_zero(values, features).item() == pytest.approx(4 / 3)
    assert mean_or_zero(values, features, count=torch.tensor(2)).item() == 2
    assert mean_or_zero(values * 0, features, count=torch.tensor(0)).item() == 0
    empty = mean_or_zero(values[:0], features)
    assert empty.item() == 0
    assert empty.requires_grad
