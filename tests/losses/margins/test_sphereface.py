import math

import pytest
import torch

from vultus.losses.margins.fixed import CosFace
from vultus.losses.margins.schedules import LambdaAnnealing
from vultus.losses.margins.sphereface import ASoftmax, LSoftmax


def naive(
    x: torch.Tensor, w: torch.Tensor, labels: torch.Tensor, *, m: float, lambda_: float
) -> float:
    """The loss with ||x|| ||W_j|| cos and k by search, row by row."""
    total = 0.0
    for row, label in zip(x, labels.tolist(), strict=True):
        logits = []
        for j, center in enumerate(w):
            product = float(row.norm() * center.norm())
            cos = float(row @ center) / product
            if j == label:
                theta = math.acos(max(-1.0, min(1.0, cos)))
                k = next(k for k in range(100) if m * theta <= (k + 1) * math.pi)
                target_logit = (-1.0) ** k * math.cos(m * theta) - 2 * k
                cos = (lambda_ * cos + target_logit) / (1 + lambda_)
            logits.append(product * cos)
        total += math.log(sum(math.exp(z - logits[label]) for z in logits))
    return total / len(labels)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(12, 5, generator=generator, dtype=torch.float64) * 2
    return features, torch.randint(4, (12,), generator=generator)


@pytest.mark.parametrize("m", [1.0, 1.35, 1.7, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("annealing", [None, (7.0, 0.1, 1.0, 0.0)])
def test_a_softmax_equals_the_loops(
    m: float, annealing: tuple[float, float, float, float] | None
) -> None:
    loss = ASoftmax(num_classes=4, dim=5, multiplier=m, annealing=annealing).double()
    x, labels = batch()
    w = loss.weight.detach()
    unit = w / w.norm(dim=1, keepdim=True)
    expected = naive(x, unit, labels, m=m, lambda_=0.0 if annealing is None else 7.0)
    assert loss(x, labels).loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("m", [1.0, 2.0, 2.5, 4.0])
def test_l_softmax_equals_the_loops(m: float) -> None:
    loss = LSoftmax(num_classes=4, dim=5, multiplier=m, annealing=None).double()
    x, labels = batch()
    expected = naive(x, loss.weight.detach(), labels, m=m, lambda_=0.0)
    assert loss(x, labels).loss.item() == pytest.approx(expected, rel=1e-12)


def test_with_m_1_l_softmax_is_softmax_without_bias() -> None:
    loss = LSoftmax(num_classes=4, dim=5, multiplier=1.0, annealing=None).double()
    x, labels = batch()
    expected = torch.nn.functional.cross_entropy(x @ loss.weight.T, labels)
    assert loss(x, labels).loss.item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_given_scale_replaces_the_feature_length() -> None:
    loss = ASoftmax(num_classes=4, dim=5, scale=30.0, annealing=None).double()
    x, labels = batch()
    assert loss(x * 9, labels).loss.item() == pytest.approx(loss(x, labels).loss.item())
    unscaled = ASoftmax(num_classes=4, dim=5, annealing=None).double()
    unscaled.load_state_dict(loss.state_dict())
    unit = x / x.norm(dim=1, keepdim=True)
    assert loss(x, labels).loss.item() == pytest.approx(unscaled(unit * 30, labels).loss.item())


def test_lambda_falls_with_training_steps_and_rests_in_evaluation() -> None:
    loss = ASoftmax(num_classes=4, dim=5, annealing=(10.0, 1.0, 1.0, 2.0)).double()
    x, labels = batch()
    w = loss.weight.detach()
    unit = w / w.norm(dim=1, keepdim=True)
    schedule = LambdaAnnealing(10.0, 1.0, 1.0, 2.0)
    for step in range(7):
        expected = naive(x, unit, labels, m=4.0, lambda_=schedule(step))
        assert loss(x, labels).loss.item() == pytest.approx(expected, rel=1e-12)
    loss.eval()
    assert loss(x, labels).loss.item() == loss(x, labels).loss.item()
    assert schedule(6) == 2.0


def test_without_normalised_features_cosface_scales_by_the_length() -> None:
    loss = CosFace(num_classes=4, dim=5, margin_cos=0.2, normalize=False).double()
    x, labels = batch()
    centers = torch.nn.functional.normalize(loss.weight.detach())
    total = 0.0
    for row, label in zip(x, labels.tolist(), strict=True):
        logits = [float(row @ center) for center in centers]
        logits[label] -= 0.2 * float(row.norm())
        total += math.log(sum(math.exp(z - logits[label]) for z in logits))
    assert loss(x, labels).loss.item() == pytest.approx(total / len(labels), rel=1e-12)
