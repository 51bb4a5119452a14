"""Partial FC on one process: what is drawn, what moves, and what the correction estimates."""

import pytest
import torch
from torch import Tensor

from vultus.core.errors import InputError
from vultus.losses.many_classes.partial_fc import (
    ClassSampling,
    PartialFC,
    RowSparseSGD,
    suggested_sample_rate,
)
from vultus.losses.margins.functional import margin_cross_entropy
from vultus.losses.margins.target_logit import ArcFaceLogit, CosFaceLogit


def head_of(classes: int, rate: float, *, correct: bool = False, scale: float = 16.0) -> PartialFC:
    torch.manual_seed(0)
    sampling = ClassSampling(rate=rate, correct=correct, seed=2)
    return PartialFC(
        num_classes=classes, dim=6, target_logit=ArcFaceLogit(), scale=scale, sampling=sampling
    )


def batch(rows: int, classes: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, 6, generator=generator), torch.randint(
        classes, (rows,), generator=generator
    )


def test_the_loss_is_that_of_the_drawn_classes() -> None:
    head = head_of(50, 0.3)
    features, labels = batch(8, 50)
    rows, _ = head.draw(labels)
    sub = head.weight.detach()[rows].requires_grad_()
    expected = margin_cross_entropy(
        features, sub, torch.searchsorted(rows, labels), target_logit=ArcFaceLogit(), scale=16.0
    )
    (wanted,) = torch.autograd.grad(expected, (sub,))
    loss = head(features, labels).loss
    loss.backward()
    torch.testing.assert_close(loss, expected.detach())
    assert head.weight.grad is not None
    gradient = head.weight.grad.coalesce()
    assert torch.equal(gradient.indices()[0], rows)
    torch.testing.assert_close(gradient.values(), wanted, rtol=1e-4, atol=1e-4)


def test_only_drawn_rows_move_and_only_their_momentum() -> None:
    head = head_of(50, 0.2)
    optimizer = RowSparseSGD(head.parameters(), lr=0.5, weight_decay=0.1)
    before = head.weight.detach().clone()
    features, labels = batch(4, 50)
    drawn, _ = head.draw(labels)
    head(features, labels).loss.backward()
    optimizer.step()
    others = torch.ones(50, dtype=torch.bool)
    others[drawn] = False
    assert torch.equal(head.weight[others], before[others])
    assert (head.weight[drawn] != before[drawn]).any(dim=1).all()
    assert (optimizer.state[head.weight]["momentum"][others] == 0).all()


@pytest.mark.parametrize(
    ("rows", "classes", "rate", "count"),
    [
        (4, 100, 0.2, 20),  # as many as asked for
        (1, 100, 0.2, 20),  # a short last batch
        (30, 40, 0.1, None),  # more identities than the sample: 2 negatives beside them
        (400, 40, 0.1, 40),  # every class in the batch: no negative left to draw
    ],
)
def test_how_many_are_drawn(rows: int, classes: int, rate: float, count: int | None) -> None:
    head = head_of(classes, rate)
    _, labels = batch(rows, classes)
    chosen, drawn = head.draw(labels)
    own = torch.unique(labels)
    assert count is None or len(chosen) == count
    assert torch.equal(chosen, torch.unique(chosen))
    assert torch.equal(chosen[~drawn], own)
    assert int(drawn.sum()) == (2 if count is None else count - len(own))
    loss = head(*batch(rows, classes)).loss
    assert torch.isfinite(loss)


def test_draws_are_uniform_and_new_at_every_step() -> None:
    head = head_of(40, 0.25)
    labels = torch.tensor([0, 5])
    counts = torch.zeros(40)
    steps = 3000
    for step in range(steps):
        head.step = step
        counts[head.draw(labels)[0]] += 1
    share = counts / steps
    assert share[[0, 5]].tolist() == [1, 1]
    others = share[[i for i in range(40) if i not in (0, 5)]]
    expected = 8 / 38
    deviation = (expected * (1 - expected) / steps) ** 0.5
    assert (others - expected).abs().max() < 4.5 * deviation


def test_a_resumed_run_draws_what_it_would_have_drawn() -> None:
    head = head_of(50, 0.2)
    features, labels = batch(4, 50)
    head(features, labels)
    expected = head.draw(labels)[0]
    again = head_of(50, 0.2)
    assert not torch.equal(again.draw(labels)[0], expected)
    again.load_state_dict(head.state_dict())
    assert torch.equal(again.draw(labels)[0], expected)


def test_the_correction_makes_the_sum_over_negatives_unbiased() -> None:
    head = head_of(60, 0.3, correct=True, scale=4.0)
    features, labels = batch(1, 60)

    def odds() -> float:
        """sum(exp(negatives)) / exp(target), which is exp(loss) - 1."""
        return float(head(features, labels).loss.detach().expm1())

    head.eval()
    exact = odds()
    head.train()
    estimates = torch.tensor([odds() for _ in range(600)])  # every step draws anew
    error = estimates.mean() - exact
    assert estimates.std() > 0.01 * exact
    assert error.abs() < 4.5 * estimates.std() / 600**0.5


def test_rate_1_and_evaluation_look_at_all_classes() -> None:
    features, labels = batch(4, 30)
    head = head_of(30, 1.0)
    loss = head(features, labels).loss
    expected = margin_cross_entropy(
        features, head.weight, labels, target_logit=ArcFaceLogit(), scale=16.0
    )
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert head.weight.grad is not None
    assert not head.weight.grad.is_sparse
    sampled = head_of(30, 0.2)
    sampled.load_state_dict(head.state_dict())
    torch.testing.assert_close(sampled.eval()(features, labels).loss, expected)


def test_ignored_rows() -> None:
    features, labels = batch(5, 30)
    head = head_of(30, 0.3)
    labels[2] = -1
    rows = [0, 1, 3, 4]
    head.step = 7
    loss = head(features, labels).loss
    head.step = 7
    torch.testing.assert_close(head(features[rows], labels[rows]).loss, loss)


def test_settings() -> None:
    assert suggested_sample_rate(999_999) == 1
    assert suggested_sample_rate(1_000_000) == 0.3
    assert PartialFC(num_classes=5, dim=2, target_logit=CosFaceLogit()).sample_rate == 1
    for bad in (0.0, 1.5):
        with pytest.raises(InputError, match="rate must be"):
            ClassSampling(rate=bad)


def test_it_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    centers = torch.nn.functional.normalize(torch.randn(40, 6, generator=generator))
    head = head_of(40, 0.3)
    head.target_logit = CosFaceLogit(0.1)
    optimizer = RowSparseSGD(head.parameters(), lr=0.05)
    for _ in range(250):
        labels = torch.randint(40, (32,), generator=generator)
        optimizer.zero_grad()
        head(centers[labels], labels).loss.backward()
        optimizer.step()
    head.eval()
    assert head(centers, torch.arange(40)).statistics["accuracy"] > 0.85


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
