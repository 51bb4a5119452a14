import math

import pytest
import torch
from torch.nn import functional as F

from vultus.losses.centres.classification import (
    Circle,
    Coco,
    L2Softmax,
    RingSoftmax,
    Softmax,
    UniFace,
)
from vultus.losses.margins.fixed import NormFace


def batch(rows: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(rows, 6, generator=generator), torch.randint(5, (rows,), generator=generator)


def cosines(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.cosine_similarity(features[:, None], weight.detach()[None], dim=2)


@pytest.mark.parametrize("bias", [True, False])
def test_softmax_is_linear_and_cross_entropy(bias: bool) -> None:
    loss = Softmax(num_classes=5, dim=6, bias=bias)
    x, y = batch()
    assert ("bias" in dict(loss.named_parameters())) is bias
    assert loss(x, y).loss.item() == pytest.approx(
        F.cross_entropy(F.linear(x, loss.weight, loss.bias), y).item(), rel=1e-6
    )


def test_l2_softmax_gives_every_feature_the_same_length() -> None:
    loss = L2Softmax(num_classes=5, dim=6, scale=12.0)
    x, y = batch()
    at_length = 12 * x / x.norm(dim=1, keepdim=True)
    expected = F.cross_entropy(F.linear(at_length, loss.weight, loss.bias), y)
    assert loss(x * 3, y).loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_ring_adds_the_squared_distance_from_the_radius() -> None:
    loss = RingSoftmax(num_classes=5, dim=6, weight=0.5, radius=2.0)
    x, y = batch()
    plain = F.cross_entropy(F.linear(x, loss.weight, loss.bias), y)
    ring = 0.5 * sum((float(row.norm()) - 2) ** 2 for row in x) / len(x)
    assert loss(x, y).loss.item() == pytest.approx(plain.item() + 0.5 * ring, rel=1e-5)
    (gradient,) = torch.autograd.grad(loss(x, y).loss, loss.radius)
    mean = x.norm(dim=1).mean().item()
    assert gradient.item() == pytest.approx(0.5 * (2 - mean), rel=1e-5)


def test_coco_is_normface_of_the_same_scale() -> None:
    loss, plain = Coco(num_classes=5, dim=6, scale=6.25), NormFace(num_classes=5, dim=6, scale=6.25)
    plain.load_state_dict(loss.state_dict())
    assert loss(*batch()).loss == plain(*batch()).loss


def test_circle_equals_the_formula_row_by_row() -> None:
    loss = Circle(num_classes=5, dim=6, margin_cos=0.25, scale=32.0)
    x, y = batch()
    total = 0.0
    for row, label in zip(cosines(x, loss.weight).tolist(), y.tolist(), strict=True):
        logits = [32 * max(0.0, c + 0.25) * (c - 0.25) for c in row]
        logits[label] = 32 * max(0.0, 1.25 - row[label]) * (row[label] - 0.75)
        total += math.log(sum(math.exp(z - logits[label]) for z in logits))
    assert loss(x, y).loss.item() == pytest.approx(total / 10, rel=1e-4)


def test_circle_gradient_is_weighted_by_the_bracket() -> None:
    # dL/dc_y = s (p_y - 1) [1 + m - c_y], not its derivative of the whole product
    loss = Circle(num_classes=2, dim=2, margin_cos=0.25, scale=4.0).double()
    loss.weight.data.copy_(torch.eye(2, dtype=torch.float64))
    angle = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    feature = torch.stack([angle.cos(), angle.sin()])[None]
    value = loss(feature, torch.tensor([0])).loss
    (gradient,) = torch.autograd.grad(value, angle)
    c, other = math.cos(0.7), math.sin(0.7)
    z = 4 * (1.25 - c) * (c - 0.75)
    p = 1 / (1 + math.exp(4 * (other + 0.25) * (other - 0.25) - z))
    expected = 4 * (p - 1) * (1.25 - c) * -other + 4 * (1 - p) * (other + 0.25) * c
    assert gradient.item() == pytest.approx(expected, rel=1e-9)


def test_uniface_equals_the_formula_row_by_row() -> None:
    loss = UniFace(num_classes=5, dim=6, margin_cos=0.4, scale=16.0, negative_weight=0.5)
    x, y = batch()
    b = math.log(10 * 5 * 0.5)
    assert loss.threshold.item() == pytest.approx(b)
    total = 0.0
    for row, label in zip(cosines(x, loss.weight).tolist(), y.tolist(), strict=True):
        total += math.log1p(math.exp(-(16 * (row[label] - 0.4) - b)))
        total += 0.5 * sum(
            math.log1p(math.exp(16 * c - b)) for j, c in enumerate(row) if j != label
        )
    assert loss(x, y).loss.item() == pytest.approx(total / 10, rel=1e-5)


def test_uniface_still_pulls_a_hopeless_face() -> None:
    # Clamping the exponent, as some code does, stops the gradient exactly here.
    loss = UniFace(num_classes=2, dim=2, scale=256.0)
    loss.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    x = torch.tensor([[-1.0, 0.2]], requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(x, torch.tensor([0])).loss, x)
    assert gradient.abs().max() > 1
