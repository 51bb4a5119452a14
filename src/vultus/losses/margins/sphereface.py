"""Multiplicative angular margins: L-Softmax and A-Softmax (SphereFace), with lambda annealing."""

import torch
from torch import Tensor

from vultus.losses.base import register_loss
from vultus.losses.margins.margin_softmax import Gradient, MarginSoftmax
from vultus.losses.margins.schedules import LambdaAnnealing
from vultus.losses.margins.target_logit import AnnealedLogit, CombinedLogit, TargetLogit

_Annealing = tuple[float, float, float, float]
"""(base, gamma, power, minimum) of `LambdaAnnealing`."""


class _AnnealedSoftmax(MarginSoftmax):
    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        target_logit: TargetLogit,
        scale: float | None,
        grad: Gradient,
        annealing: _Annealing | None,
    ) -> None:
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale, grad=grad
        )
        self.annealing = None if annealing is None else LambdaAnnealing(*annealing)

    def target_logit_for(self, cos_target: Tensor, norms: Tensor) -> TargetLogit:
        """The margin, annealed to the current step."""
        if self.annealing is None:
            return self.target_logit
        return AnnealedLogit(self.target_logit, self.annealing(self.step))


@register_loss(
    "a-softmax",
    paper="Liu et al., SphereFace, CVPR 2017",
    equation="z_y = a target(t), target = (-1)^k cos(m t) - 2k; z_j = a cos(t_j); a = |x| or s",
    arxiv="1704.08063",
)
class ASoftmax(_AnnealedSoftmax):
    """SphereFace: the angle to the own class times m, class centres of length 1.

    The published Caffe layer renormalises its weights in place and follows a normalised gradient
    direction; this is the exact gradient, so lambda and learning rate need not carry over.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        multiplier: m, factor of the angle, any real number from 1.
        scale: None scales by the feature's own length (the paper); a number s normalises features
            (SphereFace-R: s = 30 or 64 with m = 1.7).
        annealing: (base, gamma, power, minimum) of `LambdaAnnealing`, or None for the full margin.
        grad: ``"exact"``, or ``"detached"`` to take the target logit's derivative as 1.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        multiplier: float = 4.0,
        scale: float | None = None,
        annealing: _Annealing | None = (1000.0, 0.12, 1.0, 5.0),
        grad: Gradient = "exact",
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            dim=dim,
            target_logit=CombinedLogit(multiplier),
            scale=scale,
            grad=grad,
            annealing=annealing,
        )


@register_loss(
    "l-softmax",
    paper="Liu et al., L-Softmax, ICML 2016",
    equation="z_y = |W_y| |x| target(t), target = (-1)^k cos(m t) - 2k; z_j = |W_j| |x| cos(t_j)",
    arxiv="1612.02295",
)
class LSoftmax(_AnnealedSoftmax):
    """Large-margin softmax: as SphereFace, with class weights of any length; no bias.

    The lengths count here, so the weight starts at standard deviation dim^-1/2, not at 0.01.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        multiplier: m, factor of the angle, any real number from 1.
        annealing: (base, gamma, power, minimum) of `LambdaAnnealing`, or None for the full margin.
        grad: ``"exact"``, or ``"detached"`` to take the target logit's derivative as 1.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        multiplier: float = 2.0,
        annealing: _Annealing | None = (1000.0, 2.5e-5, 35.0, 0.0),
        grad: Gradient = "exact",
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            dim=dim,
            target_logit=CombinedLogit(multiplier),
            scale=None,
            grad=grad,
            annealing=annealing,
        )
        self.weight.data.mul_(100 * dim**-0.5)

    def scale_for(self, cos: Tensor, norms: Tensor) -> float | Tensor:
        """Feature length times class weight length, a row a sample, a column a class."""
        lengths: Tensor = torch.linalg.vector_norm(self.weight.to(norms.dtype), dim=1)
        return norms[:, None] * lengths[None, :]
