import math
from collections.abc import Callable

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from vultus.core.errors import InputError
from vultus.losses.margins.target_logit import (
    AnnealedLogit,
    ArcFaceLogit,
    Beyond,
    CombinedLogit,
    CosFaceLogit,
    DetachedLogit,
    NormFaceLogit,
    TargetLogit,
    angle,
    piecewise_cos,
)
from vultus.losses.margins.target_logit_adaptive import AdaFaceLogit, CurricularLogit

COS = torch.linspace(-0.95, 0.95, 21, dtype=torch.float64)
GRID_DEG = [0.5, 10.0, 44.9, 59.9, 60.1, 89.0, 91.0, 119.0, 135.1, 151.0, 152.0, 170.0, 179.5]


def stepped(a: float) -> float:
    k = math.floor(a / math.pi)
    return (1 if k % 2 == 0 else -1) * math.cos(a) - 2 * k


def arc(theta: float, m: float, beyond: str) -> float:
    if beyond == "easy":
        return math.cos(theta + m) if theta < math.pi / 2 else math.cos(theta)
    if beyond == "plain" or theta + m <= math.pi:
        return math.cos(theta + m)
    return math.cos(theta) - m * math.sin(m) if beyond == "fallback" else stepped(theta + m)


FORMULAS: list[tuple[TargetLogit, Callable[[float], float]]] = [
    (NormFaceLogit(), math.cos),
    (CosFaceLogit(0.35), lambda t: math.cos(t) - 0.35),
    (ArcFaceLogit(0.5), lambda t: arc(t, 0.5, "fallback")),
    (ArcFaceLogit(0.5, "smooth"), lambda t: arc(t, 0.5, "smooth")),
    (ArcFaceLogit(0.5, "easy"), lambda t: arc(t, 0.5, "easy")),
    (ArcFaceLogit(0.5, "plain"), lambda t: arc(t, 0.5, "plain")),
    (CombinedLogit(4.0), lambda t: stepped(4 * t)),
    (CombinedLogit(1.35), lambda t: stepped(1.35 * t)),
    (CombinedLogit(1.0, 0.3, 0.2), lambda t: stepped(t + 0.3) - 0.2),
    (CombinedLogit(0.9, 0.4, 0.15), lambda t: stepped(0.9 * t + 0.4) - 0.15),
]


@pytest.mark.parametrize(("target_logit", "formula"), FORMULAS, ids=lambda item: str(item)[:40])
def test_value_and_gradient_follow_the_formula(
    target_logit: TargetLogit, formula: Callable[[float], float]
) -> None:
    theta = [math.radians(degrees) for degrees in GRID_DEG]
    cos = torch.tensor([math.cos(t) for t in theta], dtype=torch.float64, requires_grad=True)
    value = target_logit(cos)
    assert value.tolist() == pytest.approx([formula(t) for t in theta], abs=1e-12)
    torch.autograd.backward(value.sum())
    step = 1e-6
    slopes = [
        (formula(t - step) - formula(t + step)) / (math.cos(t - step) - math.cos(t + step))
        for t in theta
    ]
    assert cos.grad is not None
    assert cos.grad.tolist() == pytest.approx(slopes, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("target_logit", [target_logit for target_logit, _ in FORMULAS], ids=str)
def test_gradcheck_twice(target_logit: TargetLogit) -> None:
    generator = torch.Generator().manual_seed(0)
    cos = torch.rand(60, dtype=torch.float64, generator=generator) * 1.98 - 0.99
    assert gradcheck(target_logit, (cos.requires_grad_(),))
    assert gradgradcheck(target_logit, (cos[:8].detach().requires_grad_(),))


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_the_real_multiplier_equals_the_polynomials_of_the_paper(m: int) -> None:
    c = torch.linspace(-1, 1, 401, dtype=torch.float64)
    sign = torch.sign
    s0 = sign(c)
    s1 = sign(c.abs() - 0.5)
    s3 = s0 * sign(2 * c**2 - 1)
    polynomials = {
        1: c,
        2: 2 * s0 * c**2 - 1,
        3: s1 * (4 * c**3 - 3 * c) + s0 * (1 + s1) - 2,
        4: s3 * (8 * c**4 - 8 * c**2 + 1) + 2 * s0 + s3 - 3,
    }
    # The signs are 0 at isolated points where the polynomials are not defined.
    defined = (s0 != 0) & (s1 != 0) & (s3 != 0)
    difference = (CombinedLogit(float(m))(c) - polynomials[m])[defined].abs()
    assert difference.max() < 1e-12


@pytest.mark.parametrize("m", [2, 3, 4])
def test_ends_of_the_multiplicative_margin(m: int) -> None:
    ends = CombinedLogit(float(m))(torch.tensor([1.0, -1.0], dtype=torch.float64))
    assert ends.tolist() == pytest.approx([1.0, 1 - 2 * m], abs=1e-12)


def test_arcface_past_pi_minus_m_in_numbers() -> None:
    just_past = torch.tensor(math.cos(math.pi - 0.5 + 1e-9), dtype=torch.float64)
    assert ArcFaceLogit(0.5)(just_past).item() == pytest.approx(-1.1173, abs=1e-4)
    end = torch.tensor(-1.0, dtype=torch.float64)
    assert ArcFaceLogit(0.5, "smooth")(end).item() == pytest.approx(-2 + math.cos(0.5), abs=1e-12)
    right = torch.tensor([1e-9, -1e-9], dtype=torch.float64)
    before, after = ArcFaceLogit(0.5, "easy")(right).tolist()
    assert after - before == pytest.approx(math.sin(0.5), abs=1e-6)


@pytest.mark.parametrize(("target_logit", "formula"), FORMULAS, ids=lambda item: str(item)[:40])
def test_monotone_is_claimed_exactly_where_it_holds(
    target_logit: TargetLogit, formula: Callable[[float], float]
) -> None:
    theta = torch.linspace(0, math.pi, 20_001, dtype=torch.float64)
    rises = bool((target_logit(torch.cos(theta)).diff() > 1e-9).any())
    assert rises is not target_logit.monotone


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_angle_is_exact_and_its_gradient_finite(dtype: torch.dtype) -> None:
    cos = torch.tensor([-1.0, -1 - 1e-6, 0.0, 1.0, 1 + 1e-6], dtype=dtype, requires_grad=True)
    theta = angle(cos)
    assert theta.tolist() == pytest.approx([math.pi, math.pi, math.pi / 2, 0, 0], abs=1e-6)
    (gradient,) = torch.autograd.grad(theta.sum(), cos)
    assert torch.isfinite(gradient).all()
    assert (gradient < 0).all()


def test_feature_gradient_at_a_tiny_angle_has_the_length_that_the_formula_gives() -> None:
    # |d cos(t + m) / dx| = sin(t + m) / |x|, although d target / dc = sin(t + m) / sin(t) diverges
    m, tiny = 0.5, 1e-2
    feature = torch.tensor([math.cos(tiny), math.sin(tiny)], requires_grad=True)
    cos = (feature / feature.norm())[0]
    torch.autograd.backward(ArcFaceLogit(m)(cos[None]).sum())
    assert feature.grad is not None
    assert feature.grad.norm().item() == pytest.approx(math.sin(tiny + m), rel=2e-3)


def test_piecewise_cos_is_continuous() -> None:
    borders = torch.arange(-2, 6, dtype=torch.float64) * math.pi
    jump = piecewise_cos(borders + 1e-9) - piecewise_cos(borders - 1e-9)
    assert jump.abs().max() < 1e-8


def test_margins_may_differ_by_row() -> None:
    cos = torch.tensor([0.5, 0.5])
    margins = torch.tensor([0.0, 0.3])
    expected = [0.5, math.cos(math.acos(0.5) + 0.3)]
    assert ArcFaceLogit(margins)(cos).tolist() == pytest.approx(expected, abs=1e-6)
    assert CosFaceLogit(margins)(cos).tolist() == pytest.approx([0.5, 0.2])


@pytest.mark.parametrize("target_logit", [target_logit for target_logit, _ in FORMULAS], ids=str)
def test_scaled_to_nothing_is_the_plain_cosine(target_logit: TargetLogit) -> None:
    cos = torch.linspace(-0.99, 0.99, 31, dtype=torch.float64)
    assert torch.allclose(target_logit.scaled(0.0)(cos), cos, atol=1e-12)
    assert torch.allclose(target_logit.scaled(1.0)(cos), target_logit(cos), atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ArcFaceLogit(-0.1), "margin_rad must be"),
        (lambda: ArcFaceLogit(28.6), "margin_rad must be"),
        (lambda: CombinedLogit(0.0), "multiplier must be"),
        (lambda: CombinedLogit(margin_cos=-1), "margin_cos must be"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_an_unknown_behaviour_is_refused() -> None:
    beyond: Beyond = "hard"  # type: ignore[assignment]
    with pytest.raises(InputError, match="beyond must be"):
        ArcFaceLogit(0.5, beyond)


def test_annealing_mixes_by_lambda() -> None:
    target_logit = CombinedLogit(4.0)
    assert torch.allclose(AnnealedLogit(target_logit, 0.0)(COS), target_logit(COS))
    assert torch.allclose(
        AnnealedLogit(target_logit, 3.0)(COS), 0.75 * COS + 0.25 * target_logit(COS)
    )


def test_detached_keeps_the_value_and_takes_derivative_one() -> None:
    cos = COS.clone().requires_grad_()
    target_logit = ArcFaceLogit(0.5)
    value = DetachedLogit(target_logit)(cos)
    assert torch.allclose(value, target_logit(COS))
    (gradient,) = torch.autograd.grad(value.sum(), cos)
    assert gradient.tolist() == [1.0] * len(COS)


def test_detached_passes_on_negatives_and_norms() -> None:
    target_logit = DetachedLogit(CurricularLogit(0.5, 0.3))
    cos = torch.tensor([[0.9, -0.2]])
    target = torch.tensor([0.1])
    assert target_logit.changes_negatives
    assert torch.equal(
        target_logit.negatives(cos, target, target),
        CurricularLogit(0.5, 0.3).negatives(cos, target, target),
    )
    assert DetachedLogit(AdaFaceLogit()).uses_norms
    assert not DetachedLogit(ArcFaceLogit(beyond="easy")).monotone


def test_annealing_refuses_a_target_logit_that_changes_negatives() -> None:
    with pytest.raises(InputError, match="leaves negatives alone"):
        AnnealedLogit(CurricularLogit(), 1.0)


def test_scaling_reaches_the_wrapped_target_logit() -> None:
    assert torch.allclose(AnnealedLogit(CombinedLogit(4.0), 2.0).scaled(0.0)(COS), COS)
    assert torch.allclose(DetachedLogit(ArcFaceLogit(0.5)).scaled(0.0)(COS), COS)
