import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vultus.core.errors import InputError
from vultus.losses.distillation import (
    cosine_distillation,
    l2_distillation,
    relational_distillation,
)

ALL = [cosine_distillation, l2_distillation, relational_distillation]
Function = Callable[[Tensor, Tensor], Tensor]


def rows(n: int, d: int, *, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(a: list[float], b: list[float]) -> float:
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return product / math.hypot(*a) / math.hypot(*b)


def naive(function: Function, student: list[list[float]], teacher: list[list[float]]) -> float:
    """The formula, entry by entry."""
    n = len(student)
    if function is cosine_distillation:
        values = [1 - cosine(s, t) for s, t in zip(student, teacher, strict=True)]
    elif function is l2_distillation:
        pairs = [zip(s, t, strict=True) for s, t in zip(student, teacher, strict=True)]
        values = [(x - y) ** 2 for pair in pairs for x, y in pair]
    else:
        values = [
            (cosine(student[i], student[j]) - cosine(teacher[i], teacher[j])) ** 2
            for i in range(n)
            for j in range(n)
            if i != j
        ]
    return sum(values) / len(values)


@pytest.mark.parametrize("function", ALL)
def test_loops_give_the_same(function: Function) -> None:
    student, teacher = rows(6, 5, seed=0), rows(6, 5, seed=1)
    expected = naive(function, student.tolist(), teacher.tolist())
    assert function(student, teacher).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_relations_of_few_rows_and_of_other_lengths(count: int) -> None:
    student, teacher = 3 * rows(count, 5, seed=6), rows(count, 7, seed=7)
    pairs = count > 1
    expected = naive(relational_distillation, student.tolist(), teacher.tolist()) if pairs else 0
    found = relational_distillation(student.requires_grad_(), teacher)
    assert found.item() == pytest.approx(expected, rel=1e-12, abs=1e-15)
    found.backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert bool(student.grad.any()) == pairs


@pytest.mark.parametrize("function", ALL)
def test_gradients(function: Function) -> None:
    student, teacher = rows(4, 3, seed=2).requires_grad_(), rows(4, 3, seed=3)
    assert torch.autograd.gradcheck(lambda x: function(x, teacher), (student,))


def test_what_each_of_them_sees() -> None:
    teacher = rows(5, 4, seed=4)
    turn, _ = torch.linalg.qr(rows(4, 4, seed=5))
    for function in ALL:
        assert function(teacher, teacher).item() == pytest.approx(0, abs=1e-12)
    assert cosine_distillation(3 * teacher, teacher).item() == pytest.approx(0, abs=1e-12)
    assert l2_distillation(3 * teacher, teacher).item() > 0.1
    # Relations do not change when everything is turned, nor with the number of axes.
    assert relational_distillation(teacher @ turn, teacher).item() == pytest.approx(0, abs=1e-12)
    wide = torch.cat([teacher, torch.zeros(5, 3, dtype=torch.float64)], dim=1)
    assert relational_distillation(wide, teacher).item() == pytest.approx(0, abs=1e-12)
    assert cosine_distillation(teacher @ turn, teacher).item() > 0.1


@pytest.mark.parametrize("function", ALL)
def test_nothing_is_0_with_a_graph(function: Function) -> None:
    student = torch.zeros(0, 3, requires_grad=True)
    loss = function(student, torch.zeros(0, 3))
    assert loss.item() == 0
    loss.backward()  # type: ignore[no-untyped-call]
    one = torch.ones(1, 3, requires_grad=True)
    assert relational_distillation(one, torch.ones(1, 3)).item() == 0


def test_shapes_must_fit() -> None:
    for function in (cosine_distillation, l2_distillation):
        with pytest.raises(InputError, match=r"one shape \(n, d\), got \(2, 3\) and \(2, 4\)"):
            function(torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(InputError, match=r"\(n, d\) and \(n, e\), got \(2, 3\) and \(3, 3\)"):
        relational_distillation(torch.ones(2, 3), torch.ones(3, 3))
