import pytest
import torch
from torch.nn import functional as F

from vultus.losses.centres.center import CenterSoftmax, center_update


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    return x, torch.tensor([0, 0, 0, 2, 2, 3])


def test_the_update_equals_the_loops() -> None:
    x, labels = batch()
    centers = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    update = center_update(x, labels, centers)
    for j in range(5):
        own = [row for row, label in zip(x, labels, strict=True) if label == j]
        moved = sum((row - centers[j] for row in own), torch.zeros(3)) / (1 + len(own))
        assert torch.allclose(update[j], moved, atol=1e-6)
    assert update[1].abs().max() == 0
    assert update[4].abs().max() == 0


def test_softmax_plus_half_the_mean_squared_distance() -> None:
    x, labels = batch()
    loss = CenterSoftmax(num_classes=5, dim=3, weight=0.4).eval()
    loss.centers.copy_(torch.randn(5, 3))
    softmax = F.cross_entropy(F.linear(x, loss.weight, loss.bias), labels)
    pull = sum(0.5 * float((x[i] - loss.centers[labels[i]]).square().sum()) for i in range(6)) / 6
    output = loss(x, labels)
    assert output.loss.item() == pytest.approx(softmax.item() + 0.4 * pull, rel=1e-5)
    assert output.statistics["center_term"].item() == pytest.approx(pull, rel=1e-5)


def test_centers_move_once_a_training_step_and_come_to_rest_at_the_means() -> None:
    x, labels = batch()
    loss = CenterSoftmax(num_classes=5, dim=3, center_rate=0.5)
    before = loss.centers.clone()
    loss(x, labels)
    assert torch.allclose(loss.centers, before + 0.5 * center_update(x, labels, before))
    for _ in range(200):
        loss(x, labels)
    assert torch.allclose(loss.centers[0], x[:3].mean(dim=0), atol=1e-5)
    assert torch.allclose(loss.centers[3], x[5], atol=1e-5)
    assert "centers" not in dict(loss.named_parameters())
