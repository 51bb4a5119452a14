import pytest
import torch
from torch.nn import functional as F

from vultus.losses.margins.cr_fiqa import CrFiqa, certainty_ratio
from vultus.losses.margins.fixed import ArcFace


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return x, torch.tensor([0, 1, 2, 0, 1, 2])


def test_the_ratio_leaves_the_own_class_out_of_the_maximum() -> None:
    cos = torch.tensor([[0.8, 0.2, -0.5], [0.8, 0.2, -0.5]])
    ratio = certainty_ratio(cos, torch.tensor([0, 1]))
    assert ratio.tolist() == pytest.approx([0.8 / 1.2, 0.2 / 1.8])


def test_arcface_plus_weighted_regression() -> None:
    x, labels = batch()
    loss = CrFiqa(num_classes=3, dim=4, scale=8.0)
    arc = ArcFace(num_classes=3, dim=4, scale=8.0)
    arc.load_state_dict({"weight": loss.weight}, strict=False)
    cos = F.cosine_similarity(x[:, None], loss.weight.detach()[None], dim=2)
    ratio = certainty_ratio(cos, labels)
    gap = (loss.predict_quality(x) - ratio).abs()
    smooth = torch.where(gap < 0.5, gap**2, gap - 0.25).mean()  # 0.5 gap^2 / beta; gap - beta / 2
    expected = arc(x, labels).loss + 10 * smooth
    assert loss(x, labels).loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_ratio_is_a_target_without_gradient() -> None:
    x, labels = batch()
    with_head, without = (
        CrFiqa(num_classes=3, dim=4),
        CrFiqa(num_classes=3, dim=4, quality_weight=0),
    )
    without.load_state_dict(with_head.state_dict())
    (a,) = torch.autograd.grad(with_head(x, labels).loss, with_head.weight)
    (b,) = torch.autograd.grad(without(x, labels).loss, without.weight)
    assert torch.allclose(a, b)


def test_the_head_learns_the_ratio() -> None:
    x, labels = batch()
    torch.manual_seed(0)
    loss = CrFiqa(num_classes=3, dim=4)
    head = list(loss.quality.parameters())
    first = loss(x, labels).statistics["quality_regression"]
    for _ in range(100):
        output = loss(x, labels)
        with torch.no_grad():
            for tensor, gradient in zip(head, torch.autograd.grad(output.loss, head), strict=True):
                tensor.sub_(gradient, alpha=0.02)
    assert output.statistics["quality_regression"] < 0.5 * first
