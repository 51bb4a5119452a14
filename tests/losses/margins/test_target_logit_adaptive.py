import math

import pytest
import torch
from torch.autograd import gradcheck

from vultus.core.errors import InputError
from vultus.losses.margins.target_logit import ArcFaceLogit, CosFaceLogit
from vultus.losses.margins.target_logit_adaptive import (
    AdaFaceLogit,
    CircleLogit,
    CurricularLogit,
    MagFaceLogit,
    MvLogit,
)

COS = torch.linspace(-0.95, 0.95, 21, dtype=torch.float64)


def full(value: float) -> torch.Tensor:
    return torch.full_like(COS, value)


class TestMagFace:
    def test_the_margin_is_a_line_between_its_ends(self) -> None:
        target_logit = MagFaceLogit(10, 110, 0.45, 0.8)
        norms = torch.tensor([1.0, 10.0, 60.0, 110.0, 500.0])
        assert target_logit.margin_rad(norms).tolist() == pytest.approx(
            [0.45, 0.45, 0.625, 0.8, 0.8]
        )

    def test_at_a_given_norm_it_is_arcface(self) -> None:
        target_logit = MagFaceLogit(10, 110, 0.45, 0.8)
        assert torch.allclose(target_logit(COS, full(60.0)), ArcFaceLogit(0.625)(COS))

    def test_the_norm_gets_the_gradient_of_the_margin(self) -> None:
        target_logit = MagFaceLogit(10, 110, 0.45, 0.8)
        norms = torch.tensor([60.0, 5.0, 200.0], dtype=torch.float64, requires_grad=True)
        cos = torch.tensor([0.5, 0.5, 0.5], dtype=torch.float64)
        (gradient,) = torch.autograd.grad(target_logit(cos, norms).sum(), norms)
        slope = 0.35 / 100
        expected = [-math.sin(math.acos(0.5) + 0.625) * slope, 0.0, 0.0]
        assert gradient.tolist() == pytest.approx(expected, rel=1e-9)

    def test_gradcheck_in_both(self) -> None:
        cos = COS.clone().requires_grad_()
        norms = torch.linspace(11, 109, len(COS), dtype=torch.float64).requires_grad_()
        assert gradcheck(MagFaceLogit(), (cos, norms))

    def test_without_norms_it_says_so(self) -> None:
        with pytest.raises(InputError, match="MagFace needs the feature norms"):
            MagFaceLogit()(COS)


class TestAdaFace:
    def at_quality(self, z: float) -> torch.Tensor:
        # concentration 1, mean 50, std 10: z = (norm - 50) / 10 up to the 1e-3 in the divisor
        target_logit = AdaFaceLogit(0.4, 1.0, 50.0, 10.0 - 1e-3)
        return target_logit(COS, full(50 + 10 * z))

    def test_poor_images_get_arcface(self) -> None:
        theta = torch.acos(COS)
        expected = torch.cos((theta + 0.4).clamp(1e-3, math.pi - 1e-3))
        assert torch.allclose(self.at_quality(-1.0), expected)

    def test_average_images_get_cosface(self) -> None:
        assert torch.allclose(self.at_quality(0.0), CosFaceLogit(0.4)(COS))

    def test_good_images_get_a_negative_angular_margin(self) -> None:
        theta = torch.acos(COS)
        expected = torch.cos((theta - 0.4).clamp(1e-3, math.pi - 1e-3)) - 0.8
        assert torch.allclose(self.at_quality(1.0), expected)

    def test_quality_is_clipped(self) -> None:
        assert torch.allclose(self.at_quality(9.0), self.at_quality(1.0))

    def test_norms_get_no_gradient_and_none_flows_where_clipped(self) -> None:
        target_logit = AdaFaceLogit(0.4, 1.0, 50.0, 10.0)
        norms = torch.tensor([60.0, 60.0], requires_grad=True)
        cos = torch.tensor([math.cos(0.3), math.cos(0.6)], requires_grad=True)
        torch.autograd.backward(target_logit(cos, norms).sum())
        assert norms.grad is None
        assert cos.grad is not None
        assert cos.grad[0] == 0  # theta = 0.3 < m z = 0.4
        assert cos.grad[1] > 0

    def test_without_norms_it_says_so(self) -> None:
        with pytest.raises(InputError, match="AdaFace needs the feature norms"):
            AdaFaceLogit()(COS)


class TestNegatives:
    COS_ALL = torch.tensor([[0.9, 0.2, -0.6], [0.1, -0.9, 0.3]])

    def test_mv_weighs_those_above_the_margined_target(self) -> None:
        target_logit = MvLogit(CosFaceLogit(0.35), 1.12)
        own = torch.tensor([0.5, 0.4])  # target logit: 0.15 and 0.05
        out = target_logit.negatives(self.COS_ALL, own, target_logit(own))
        expected = [
            [1.12 * 0.9 + 0.12, 1.12 * 0.2 + 0.12, -0.6],
            [1.12 * 0.1 + 0.12, -0.9, 1.12 * 0.3 + 0.12],
        ]
        assert torch.allclose(out, torch.tensor(expected))

    def test_curricular_modulates_those_above_the_margined_target(self) -> None:
        target_logit = CurricularLogit(0.5, 0.1)
        own = torch.tensor([0.5, 0.4])
        limits = [math.cos(math.acos(c) + 0.5) for c in own.tolist()]  # about 0.02 and -0.09
        expected = [
            [c * (0.1 + c) if c > limit else c for c in row]
            for row, limit in zip(self.COS_ALL.tolist(), limits, strict=True)
        ]
        out = target_logit.negatives(self.COS_ALL, own, target_logit(own))
        assert torch.allclose(out, torch.tensor(expected))

    def test_curricular_derivative_is_t_plus_twice_the_cosine(self) -> None:
        cos = torch.tensor([[-0.3, -0.05, 0.2]], dtype=torch.float64, requires_grad=True)
        low = torch.tensor([-1.0], dtype=torch.float64)
        torch.autograd.backward(CurricularLogit(0.5, 0.1).negatives(cos, low, low).sum())
        assert cos.grad is not None
        assert cos.grad[0].tolist() == pytest.approx([-0.5, 0.0, 0.5])

    def test_circle_weighs_by_the_distance_from_the_optimum(self) -> None:
        target_logit = CircleLogit(0.25)
        cos = torch.tensor([[0.5, -0.5]], requires_grad=True)
        own = torch.tensor([0.6], requires_grad=True)
        target = target_logit(own)
        others = target_logit.negatives(cos, own, target)
        assert target.tolist() == pytest.approx([(1.25 - 0.6) * (0.6 - 0.75)])
        assert others[0].tolist() == pytest.approx([0.75 * 0.25, 0.0])
        torch.autograd.backward(target.sum() + others.sum())
        assert own.grad is not None
        assert own.grad.tolist() == pytest.approx([1.25 - 0.6])  # the weight itself
        assert cos.grad is not None
        assert cos.grad[0].tolist() == pytest.approx([0.75, 0.0])


@pytest.mark.parametrize(
    "target_logit",
    [MagFaceLogit(), AdaFaceLogit(), MvLogit(), CurricularLogit(), CircleLogit()],
    ids=str,
)
def test_no_target_rises_with_the_angle(target_logit: CosFaceLogit) -> None:
    theta = torch.linspace(0, math.pi, 5001, dtype=torch.float64)
    for norm in (5.0, 30.0, 90.0):
        values = target_logit(torch.cos(theta), torch.full_like(theta, norm))
        assert target_logit.monotone
        assert values.diff().max() <= 1e-12


def test_scaled_to_nothing() -> None:
    norms = full(30.0)
    inner = COS.abs() < 0.999
    for target_logit in (MagFaceLogit(), AdaFaceLogit(), MvLogit(), CurricularLogit()):
        assert torch.allclose(target_logit.scaled(0.0)(COS, norms)[inner], COS[inner])


@pytest.mark.parametrize(
    "settings", [(0.0, 110.0, 0.4, 0.8), (10.0, 10.0, 0.4, 0.8), (10.0, 110.0, 0.8, 0.4)]
)
def test_magface_settings_are_checked(settings: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError):
        MagFaceLogit(*settings)
