"""What holds for losses whatever the numbers are."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.losses.margins.functional import margin_cross_entropy
from vultus.losses.margins.target_logit import (
    ArcFaceLogit,
    CombinedLogit,
    CosFaceLogit,
    NormFaceLogit,
)

THETA = torch.linspace(0, math.pi, 501, dtype=torch.float64)

seeds = st.integers(0, 2**31 - 1)


@settings(deadline=None, max_examples=25)
@given(st.floats(0.1, 8), st.floats(0, math.pi), st.floats(0, 2))
def test_the_combined_target_logit_never_rises_with_the_angle(
    m1: float, m2: float, m3: float
) -> None:
    values = CombinedLogit(m1, m2, m3)(torch.cos(THETA))
    assert values.diff().max() < 1e-9


@settings(deadline=None, max_examples=25)
@given(st.floats(1, 8), st.floats(0, 3), st.floats(0, 2))
def test_a_margin_never_raises_the_target(m1: float, m2: float, m3: float) -> None:
    cos = torch.cos(THETA)
    assert (CombinedLogit(m1, m2, m3)(cos) <= cos + 1e-9).all()
    for beyond in ("fallback", "smooth", "easy"):
        assert (ArcFaceLogit(m2, beyond)(cos) <= cos + 1e-9).all()


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 3))
def test_arcface_and_the_combined_target_logit_agree_up_to_pi_minus_m(m: float) -> None:
    inside = torch.cos(THETA[math.pi - m - 1e-9 > THETA])
    arc = ArcFaceLogit(m)(inside)
    assert torch.allclose(CombinedLogit(1.0, m)(inside), arc, atol=1e-12)
    everywhere = torch.cos(THETA)
    smooth = ArcFaceLogit(m, "smooth")(everywhere)
    assert torch.allclose(CombinedLogit(1.0, m)(everywhere), smooth, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(seeds, st.floats(0.01, 1.5), st.floats(1, 64))
def test_more_margin_never_means_less_loss(seed: int, margin: float, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    w = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (5,), generator=generator)
    plain = margin_cross_entropy(x, w, labels, target_logit=NormFaceLogit(), scale=scale)
    for target_logit in (CosFaceLogit(margin), ArcFaceLogit(margin), CombinedLogit(1 + margin)):
        assert (
            margin_cross_entropy(x, w, labels, target_logit=target_logit, scale=scale)
            >= plain - 1e-9
        )


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_rotating_features_and_centres_together_changes_nothing(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    w = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (5,), generator=generator)
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64)).Q
    loss = margin_cross_entropy(x, w, labels, target_logit=ArcFaceLogit(), scale=16)
    turned = margin_cross_entropy(
        x @ rotation, w @ rotation, labels, target_logit=ArcFaceLogit(), scale=16
    )
    assert turned.item() == pytest.approx(loss.item(), rel=1e-9)
