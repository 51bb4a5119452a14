import math

import pytest
import torch
from torch import Tensor

from vultus.losses.margins.functional import (
    class_cosines,
    classification_statistics,
    margin_cross_entropy,
    target_cosines,
    unit_rows,
)
from vultus.losses.margins.target_logit import (
    ArcFaceLogit,
    CombinedLogit,
    CosFaceLogit,
    NormFaceLogit,
    TargetLogit,
)
from vultus.losses.margins.target_logit_adaptive import CurricularLogit, MvLogit


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive_loss(
    x: Tensor, w: Tensor, labels: Tensor, target_logit: TargetLogit, scale: float
) -> float:
    total = 0.0
    for row, label in zip(x.tolist(), labels.tolist(), strict=True):
        cos = []
        for center in w.tolist():
            dot = sum(a * b for a, b in zip(row, center, strict=True))
            cos.append(dot / math.hypot(*row) / math.hypot(*center))
        target = target_logit(torch.tensor([cos[label]], dtype=torch.float64)).item()
        logits = []
        for j, c in enumerate(cos):
            if j == label:
                logits.append(scale * target)
                continue
            hard = c > target
            if isinstance(target_logit, CurricularLogit) and hard:
                c = c * (float(target_logit.level) + c)
            if isinstance(target_logit, MvLogit) and hard:
                c = target_logit.weight * c + target_logit.weight - 1
            logits.append(scale * c)
        top = max(logits)
        total += top + math.log(sum(math.exp(z - top) for z in logits)) - scale * target
    return total / len(labels)


@pytest.mark.parametrize(
    "target_logit",
    [
        NormFaceLogit(),
        CosFaceLogit(0.35),
        ArcFaceLogit(0.5),
        CombinedLogit(1.7, 0.1, 0.1),
        CurricularLogit(0.5, 0.3),
        MvLogit(CosFaceLogit(0.35), 1.12),
    ],
    ids=str,
)
def test_margin_cross_entropy_equals_the_loops(target_logit: TargetLogit) -> None:
    x, w = random(9, 4) * 3, random(6, 4, seed=1)
    labels = torch.tensor([0, 5, 2, 2, 1, 3, 4, 0, 5])
    value = margin_cross_entropy(x, w, labels, target_logit=target_logit, scale=20.0).item()
    assert value == pytest.approx(naive_loss(x, w, labels, target_logit, 20.0), rel=1e-12)


def test_lengths_of_features_and_weights_do_not_count() -> None:
    x, w, labels = random(5, 4), random(3, 4, seed=1), torch.tensor([0, 1, 2, 0, 1])
    value = margin_cross_entropy(x, w, labels, target_logit=ArcFaceLogit(), scale=64)
    scaled = margin_cross_entropy(x * 7, w * 0.01, labels, target_logit=ArcFaceLogit(), scale=64)
    assert scaled.item() == pytest.approx(value.item(), rel=1e-12)


def test_gradients_are_tangent_to_feature_and_weight() -> None:
    x, w = random(5, 4).requires_grad_(), random(3, 4, seed=1).requires_grad_()
    loss = margin_cross_entropy(
        x, w, torch.tensor([0, 1, 2, 0, 1]), target_logit=ArcFaceLogit(), scale=64
    )
    for tensor, gradient in zip((x, w), torch.autograd.grad(loss, (x, w)), strict=True):
        assert (tensor * gradient).sum(dim=1).abs().max() < 1e-10


def test_the_nearest_sub_center_counts_and_alone_gets_gradient() -> None:
    unit, _ = unit_rows(random(2, 3))
    centers = unit_rows(random(2, 4, 3, seed=1))[0].requires_grad_()
    cos = class_cosines(unit, centers)
    expected = (unit @ centers.detach().reshape(8, 3).T).view(2, 2, 4).amax(dim=2)
    assert torch.allclose(cos, expected)
    labels = torch.tensor([1, 0])
    assert torch.allclose(target_cosines(unit, centers, labels), cos[[0, 1], labels])
    torch.autograd.backward(cos[0, 0])
    assert centers.grad is not None
    assert (centers.grad.abs().sum(dim=2) > 0).sum() == 1


def test_of_equally_near_sub_centers_one_gets_the_gradient() -> None:
    centers = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]], requires_grad=True)
    (gradient,) = torch.autograd.grad(class_cosines(torch.eye(2)[:1], centers).sum(), centers)
    assert sorted(gradient[0, :, 0].tolist()) == [0.0, 1.0]


def test_a_vector_without_direction_stays_and_keeps_an_ordinary_gradient() -> None:
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1e-12, 0.0]], requires_grad=True)
    unit, norms = unit_rows(rows)
    assert unit[1].tolist() == pytest.approx([0.6, 0.8])
    assert norms.tolist() == pytest.approx([0.0, 5.0, 1e-12])
    torch.autograd.backward(unit.sum())
    assert rows.grad is not None
    assert rows.grad.abs().max() <= 1.0


def test_a_hopeless_row_has_its_true_loss_not_a_floor() -> None:
    # -ln(1e-30) = 69.08 and -ln(FLT_MIN) = 87.34 are where clamped logarithms get stuck.
    x, w = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    loss = margin_cross_entropy(x, w, torch.tensor([0]), target_logit=NormFaceLogit(), scale=100)
    assert loss.item() == pytest.approx(200.0)


def test_statistics() -> None:
    logits = torch.tensor([[0.0, 1.0], [0.5, 0.1]])
    statistics = classification_statistics(
        logits,
        torch.tensor([1, 1]),
        cos_target=torch.tensor([1.0, 0.0]),
        norms=torch.tensor([1.0, 3.0]),
    )
    assert {name: value.item() for name, value in statistics.items()} == pytest.approx(
        {"accuracy": 0.5, "feature_norm": 2.0, "target_angle_deg": 45.0}
    )
