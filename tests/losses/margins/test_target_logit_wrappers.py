import pytest
import torch

from vultus.core.errors import InputError
from vultus.losses.margins.target_logit import ArcFacePsi, CombinedPsi
from vultus.losses.margins.target_logit_adaptive import AdaFacePsi, CurricularPsi
from vultus.losses.margins.target_logit_wrappers import AnnealedPsi, DetachedPsi

COS = torch.linspace(-0.95, 0.95, 21, dtype=torch.float64)


def test_annealing_mixes_by_lambda() -> None:
    psi = CombinedPsi(4.0)
    assert torch.allclose(AnnealedPsi(psi, 0.0)(COS), psi(COS))
    assert torch.allclose(AnnealedPsi(psi, 3.0)(COS), 0.75 * COS + 0.25 * psi(COS))


def test_detached_keeps_the_value_and_takes_derivative_one() -> None:
    cos = COS.clone().requires_grad_()
    psi = ArcFacePsi(0.5)
    value = DetachedPsi(psi)(cos)
    assert torch.allclose(value, psi(COS))
    (gradient,) = torch.autograd.grad(value.sum(), cos)
    assert gradient.tolist() == [1.0] * len(COS)


def test_detached_passes_on_negatives_and_norms() -> None:
    psi = DetachedPsi(CurricularPsi(0.5, 0.3))
    cos = torch.tensor([[0.9, -0.2]])
    target = torch.tensor([0.1])
    assert psi.changes_negatives
    assert torch.equal(
        psi.negatives(cos, target, target), CurricularPsi(0.5, 0.3).negatives(cos, target, target)
    )
    assert DetachedPsi(AdaFacePsi()).uses_norms
    assert not DetachedPsi(ArcFacePsi(beyond="easy")).monotone


def test_annealing_refuses_a_psi_that_changes_negatives() -> None:
    with pytest.raises(InputError, match="leaves negatives alone"):
        AnnealedPsi(CurricularPsi(), 1.0)


def test_scaling_reaches_the_wrapped_psi() -> None:
    assert torch.allclose(AnnealedPsi(CombinedPsi(4.0), 2.0).scaled(0.0)(COS), COS)
    assert torch.allclose(DetachedPsi(ArcFacePsi(0.5)).scaled(0.0)(COS), COS)
