import math

import pytest
import torch

from vultus.core.errors import InputError
from vultus.losses import LOSSES
from vultus.losses.margins.bounds import expected_initial_loss
from vultus.losses.margins.fixed import ArcFace, CosFace, NormFace, SubCenterArcFace
from vultus.losses.margins.margin_softmax import Gradient, MarginSoftmax
from vultus.losses.margins.schedules import MarginWarmup
from vultus.losses.margins.target_logit import ArcFaceLogit


def batch(rows: int = 8, dim: int = 6, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(rows, dim, generator=generator)
    return features, torch.randint(classes, (rows,), generator=generator)


@pytest.mark.parametrize(
    ("name", "settings", "drop"),
    [
        ("normface", {"scale": 64.0}, 0.0),
        ("cosface", {"margin_cos": 0.4}, 0.4),
        ("arcface", {"margin_rad": 0.5}, math.sin(0.5)),
        ("arcface", {"margin_rad": 0.5, "beyond": "smooth"}, math.sin(0.5)),
        ("curricularface", {"margin_rad": 0.5}, math.sin(0.5)),
    ],
)
def test_the_first_loss_is_what_theory_says(
    name: str, settings: dict[str, float], drop: float
) -> None:
    classes, dim = 10_572, 512
    torch.manual_seed(0)
    loss = LOSSES.create(name, num_classes=classes, dim=dim, **settings)
    features = torch.randn(64, dim)
    value = loss(features, torch.randint(classes, (64,))).loss.item()
    expected = expected_initial_loss(classes, scale=64, dim=dim, target_drop=drop)
    # 64 rows: the mean target logit scatters by 64 / sqrt(512) / sqrt(64) = 0.35. Curricular
    # shrinks the hard half of the negatives, so only an upper bound is known there.
    if name == "curricularface":
        assert expected - 6 < value < expected
    else:
        assert value == pytest.approx(expected, abs=1.0)


def test_the_detached_gradient_is_that_of_a_unit_slope() -> None:
    features, labels = batch()
    features = features.double()  # float32 rounds otherwise on another processor
    torch.manual_seed(0)
    head = ArcFace(num_classes=5, dim=6, grad="detached", scale=8.0).double()
    exact = ArcFace(num_classes=5, dim=6, scale=8.0).double()
    exact.load_state_dict(head.state_dict())
    inputs = features.requires_grad_()
    output = head(inputs, labels)
    assert output.loss.item() == pytest.approx(exact(inputs, labels).loss.item())
    (gradient,) = torch.autograd.grad(output.loss, inputs)
    # dL/dc_y = s (p_y - 1), dL/dc_j = s p_j, with p of the margined logits
    unit = features.detach() / features.detach().norm(dim=1, keepdim=True)
    centers = head.weight.detach() / head.weight.detach().norm(dim=1, keepdim=True)
    cos = (unit @ centers.T).requires_grad_()
    own = cos.detach().gather(1, labels[:, None])[:, 0]
    logits = 8.0 * cos.detach().scatter(1, labels[:, None], ArcFaceLogit(0.5)(own)[:, None])
    slopes = 8.0 * (logits.softmax(dim=1) - torch.nn.functional.one_hot(labels, 5)) / len(labels)
    by_unit = slopes @ centers
    expected = by_unit - (by_unit * unit).sum(dim=1, keepdim=True) * unit
    expected = expected / features.detach().norm(dim=1, keepdim=True)
    assert torch.allclose(gradient, expected, atol=1e-9)
    (exact_gradient,) = torch.autograd.grad(exact(inputs, labels).loss, inputs)
    assert not torch.allclose(gradient, exact_gradient, atol=1e-3)


def test_warm_up_starts_at_normface_and_ends_at_the_full_margin() -> None:
    features, labels = batch()
    torch.manual_seed(0)
    head = CosFace(num_classes=5, dim=6, scale=10.0)
    plain = NormFace(num_classes=5, dim=6, scale=10.0)
    plain.load_state_dict(head.state_dict())
    full = head.eval()(features, labels).loss.item()
    head.train().margin_schedule = MarginWarmup(steps=2)
    values = [head(features, labels).loss.item() for _ in range(4)]
    assert values[0] == pytest.approx(plain(features, labels).loss.item())
    assert values[0] < values[1] < values[2]
    assert values[2] == values[3] == pytest.approx(full)


def test_a_learned_scale_is_a_parameter_with_the_right_gradient() -> None:
    features, labels = batch()
    head = NormFace(num_classes=5, dim=6, scale=5.0, learn_scale=True)
    assert "scale" in dict(head.named_parameters())
    output = head(features, labels)
    scale = dict(head.named_parameters())["scale"]
    (gradient,) = torch.autograd.grad(output.loss, scale)
    step = 1e-2
    values = []
    for value in (5.0 - step, 5.0 + step):
        scale.data.fill_(value)
        values.append(head(features, labels).loss.item())
    assert gradient.item() == pytest.approx((values[1] - values[0]) / (2 * step), rel=1e-3)


def test_accuracy_ignores_the_margin() -> None:
    head = CosFace(num_classes=3, dim=3, margin_cos=1.5)
    head.weight.data.copy_(torch.eye(3))
    output = head(torch.eye(3) + 0.3, torch.arange(3))
    assert output.statistics["accuracy"] == 1
    assert output.loss > 10


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_the_scale_is_checked(scale: float) -> None:
    with pytest.raises(InputError, match="scale must be"):
        CosFace(num_classes=3, dim=3, scale=scale)


def test_the_kind_of_gradient_is_checked() -> None:
    grad: Gradient = "none"  # type: ignore[assignment]
    with pytest.raises(InputError, match="grad must be 'exact' or 'detached'"):
        MarginSoftmax(num_classes=3, dim=3, target_logit=ArcFaceLogit(), scale=1.0, grad=grad)


def test_equals_arcface_with_the_nearest_centers() -> None:
    torch.manual_seed(0)
    head = SubCenterArcFace(num_classes=3, dim=4, centers=5, scale=16.0)
    features, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 2, 1, 0])
    total = 0.0
    for row, label in zip(features, labels, strict=True):
        cosines = torch.nn.functional.cosine_similarity(head.weight, row[None, None], dim=2)
        nearest = head.weight[torch.arange(3), cosines.argmax(dim=1)]
        plain = ArcFace(num_classes=3, dim=4, scale=16.0)
        plain.weight.data.copy_(nearest)
        total += plain(row[None], label[None]).loss.item()
    assert head(features, labels).loss.item() == pytest.approx(total / 6, rel=1e-5)


def test_nearest_center_tells_index_and_angles() -> None:
    head = SubCenterArcFace(num_classes=2, dim=2, centers=2)
    head.weight.data.copy_(torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[-1.0, 0.0], [0.0, -1.0]]]))
    index, angles = head.nearest_center(torch.tensor([[3.0, 0.0], [0.0, -1.0]]), torch.arange(2))
    assert index.tolist() == [0, 1]
    assert angles.flatten().tolist() == pytest.approx([0.0, 90.0, 90.0, 0.0], abs=0.05)
