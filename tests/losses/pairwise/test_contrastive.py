import math

import pytest
import torch
from torch.nn import functional as F

from vultus.losses.pairwise.contrastive import Contrastive, DeepId2, verification_margin


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    return x, torch.tensor([0, 0, 1, 1, 1, 2, 0])


@pytest.mark.parametrize(("normalize", "margin"), [(False, 2.5), (True, 1.2)])
def test_equals_the_loops(normalize: bool, margin: float) -> None:
    x, labels = batch()
    rows = F.normalize(x) if normalize else x
    terms = []
    for i in range(7):
        for j in range(i):
            d = math.dist(rows[i].tolist(), rows[j].tolist())
            same = labels[i] == labels[j]
            terms.append(0.5 * d**2 if same else 0.5 * max(0.0, margin - d) ** 2)
    loss = Contrastive(num_classes=3, dim=4, margin_distance=margin, normalize=normalize)
    output = loss(x, labels)
    assert output.loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)
    active = sum(term > 0 for term in terms) / len(terms)
    assert output.statistics["active_fraction"].item() == pytest.approx(active)


def test_one_row_has_no_pair_and_no_loss() -> None:
    x = torch.ones(1, 4, requires_grad=True)
    output = Contrastive(num_classes=3, dim=4)(x, torch.tensor([0]))
    assert output.loss.item() == 0
    assert output.loss.requires_grad


def test_deepid2_is_softmax_plus_weighted_contrastive() -> None:
    x, labels = batch()
    loss = DeepId2(num_classes=3, dim=4, margin_distance=2.5, weight=0.3)
    pairs = Contrastive(num_classes=3, dim=4, margin_distance=2.5)(x, labels).loss
    softmax = F.cross_entropy(F.linear(x, loss.softmax.weight, loss.softmax.bias), labels)
    output = loss(x, labels)
    assert output.loss.item() == pytest.approx((softmax + 0.3 * pairs).item(), rel=1e-6)
    assert output.statistics["identification"].item() == pytest.approx(softmax.item(), rel=1e-6)
    assert output.statistics["verification"].item() == pytest.approx(pairs.item(), rel=1e-6)


def test_verification_margin_makes_the_fewest_errors() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        distances = torch.randint(0, 8, (15,), generator=generator).double()  # with ties
        same = torch.rand(15, generator=generator) < 0.5
        found = verification_margin(distances, same)

        def errors(threshold: float, d: torch.Tensor = distances, s: torch.Tensor = same) -> int:
            return int(((d <= threshold) != s).sum())

        assert errors(found) == min(errors(t) for t in [0.0, *distances.tolist()])


def test_verification_margin_lies_between_separated_groups() -> None:
    distances = torch.tensor([0.9, 0.2, 1.4, 0.3])
    same = torch.tensor([False, True, False, True])
    assert verification_margin(distances, same) == pytest.approx(0.6)
