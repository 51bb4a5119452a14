import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from vultus.losses.pairwise.margin_based import MarginBased

LABELS = torch.tensor([0, 0, 1, 1, 2])


def points() -> torch.Tensor:
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


def loss_with_boundaries(**settings: float) -> MarginBased:
    loss = MarginBased(num_classes=3, dim=4, **settings)
    loss.boundary.data.copy_(torch.tensor([0.9, 1.2, 1.5]))
    return loss


def test_equals_the_loops() -> None:
    loss = loss_with_boundaries()
    rows = F.normalize(points()).tolist()
    total, active, count = 0.0, 0, 0
    for i, j in itertools.permutations(range(5), 2):
        d = math.dist(rows[i], rows[j])
        beta = [0.9, 1.2, 1.5][int(LABELS[i])]
        sign = 1 if LABELS[i] == LABELS[j] else -1
        term = max(0.0, 0.2 + sign * (d - beta))
        total, active, count = total + term, active + (term > 0), count + 1
    output = loss(points(), LABELS)
    assert output.loss.item() == pytest.approx(total / active, rel=1e-5)
    assert output.statistics["active_fraction"].item() == pytest.approx(active / count)
    assert output.statistics["boundary_distance"].item() == pytest.approx(1.2)


def test_the_boundary_learns_in_the_right_direction() -> None:
    # One genuine pair too far apart: the boundary of its class must grow.
    loss = MarginBased(num_classes=2, dim=2, boundary_distance=1.0)
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    (gradient,) = torch.autograd.grad(loss(x, torch.tensor([1, 1])).loss, loss.boundary)
    assert gradient.tolist() == pytest.approx([0.0, -1.0])


def test_the_boundary_weight_adds_its_mean() -> None:
    value = loss_with_boundaries()(points(), LABELS).loss.item()
    weighted = loss_with_boundaries(boundary_weight=0.1)(points(), LABELS).loss.item()
    expected = 0.1 * (0.9 * 8 + 1.2 * 8 + 1.5 * 4) / 20
    assert weighted - value == pytest.approx(expected, rel=1e-4)


def test_mined_triplets() -> None:
    loss = loss_with_boundaries()
    triplets = (torch.tensor([0, 2]), torch.tensor([1, 3]), torch.tensor([4, 0]))
    rows = F.normalize(points()).tolist()
    terms = []
    for a, p, n, beta in ((0, 1, 4, 0.9), (2, 3, 0, 1.2)):
        terms.append(max(0.0, 0.2 + math.dist(rows[a], rows[p]) - beta))
        terms.append(max(0.0, 0.2 - math.dist(rows[a], rows[n]) + beta))
    expected = sum(terms) / sum(term > 0 for term in terms)
    output = loss.of_triplets(points(), LABELS, triplets)
    assert output.loss.item() == pytest.approx(expected, rel=1e-5)
