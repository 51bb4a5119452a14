"""Target logits that look at the sample: its norm, its difficulty, or its hard negatives."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.losses.margins.target_logit import (
    ArcFaceLogit,
    Beyond,
    CosFaceLogit,
    TargetLogit,
    WrappedLogit,
    angle,
)


def _needed(norms: Tensor | None, who: str) -> Tensor:
    if norms is None:
        raise InputError(f"{who} needs the feature norms, got None; pass norms of shape (n,)")
    return norms


@dataclass(frozen=True, eq=False)
class MagFaceLogit(TargetLogit):
    """cos(theta + m(a)): the margin grows linearly with the feature norm a.

    m(a) rises from ``margin_low_rad`` at ``norm_low`` to ``margin_high_rad`` at ``norm_high``;
    outside, the norm is clamped and gets no gradient. Inside, the gradient reaches the norm.

    Source: Meng et al., "MagFace", CVPR 2021, arXiv 2103.06627.

    Attributes:
        norm_low: l_a, above 0.
        norm_high: u_a, above ``norm_low``.
        margin_low_rad: l_m in radians.
        margin_high_rad: u_m in radians.
        beyond: What happens past pi - m, as `ArcFaceLogit` has it; ``"easy"`` is what the authors'
            code trains with.
    """

    margins: ClassVar[tuple[str, ...]] = ("margin_low_rad", "margin_high_rad")
    norm_low: float = 10.0
    norm_high: float = 110.0
    margin_low_rad: float = 0.45
    margin_high_rad: float = 0.8
    beyond: Beyond = "fallback"

    def __post_init__(self) -> None:
        ArcFaceLogit(beyond=self.beyond)  # checks it
        check_range("norm_low", self.norm_low, low=0, low_open=True)
        check_range("norm_high", self.norm_high, low=self.norm_low, low_open=True)
        check_range("margin_low_rad", self.margin_low_rad, low=0, high=math.pi, high_open=True)
        low = self.margin_low_rad
        check_range("margin_high_rad", self.margin_high_rad, low=low, high=math.pi, high_open=True)

    def margin_rad(self, norms: Tensor) -> Tensor:
        """m(a), shape of ``norms``, radians."""
        slope = (self.margin_high_rad - self.margin_low_rad) / (self.norm_high - self.norm_low)
        clamped = norms.clamp(self.norm_low, self.norm_high)
        return slope * (clamped - self.norm_low) + self.margin_low_rad

    @property
    def monotone(self) -> bool:
        """See `TargetLogit.monotone`."""
        return ArcFaceLogit(beyond=self.beyond).monotone

    @property
    def uses_norms(self) -> bool:
        """See `TargetLogit.uses_norms`."""
        return True

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """cos(theta + m(a)); differentiable in the norms too."""
        return ArcFaceLogit(self.margin_rad(_needed(norms, "MagFace")), self.beyond)(cos_target)


@dataclass(frozen=True, eq=False)
class AdaFaceLogit(TargetLogit):
    """cos(clip(theta - m z)) - m (1 + z): margin by how good the image seems from its norm.

    z = clip(h (a - mean) / std, -1, 1) of the clamped, detached norm a. z = -1 is ArcFace(m),
    z = 0 CosFace(m), z = 1 is cos(theta - m) - 2 m. Where theta - m z leaves [e, pi - e] it is
    clipped, and the gradient there is 0.

    Source: Kim et al., "AdaFace", CVPR 2022, arXiv 2204.00964.

    Attributes:
        margin: m, used both in radians and in units of cosine.
        concentration: h.
        norm_mean: Running mean of the norms; float or 0-d tensor.
        norm_std: Running standard deviation of the norms.
        angle_floor_rad: e.
    """

    margins: ClassVar[tuple[str, ...]] = ("margin",)
    margin: float = 0.4
    concentration: float = 0.333
    norm_mean: float | Tensor = 20.0
    norm_std: float | Tensor = 100.0
    angle_floor_rad: float = 1e-3

    def quality(self, norms: Tensor) -> Tensor:
        """Z in [-1, 1], detached, shape of ``norms``."""
        clamped = norms.detach().clamp(1e-3, 100)
        z = (clamped - self.norm_mean) / (self.norm_std + 1e-3) * self.concentration
        return z.clamp(-1, 1)

    @property
    def uses_norms(self) -> bool:
        """See `TargetLogit.uses_norms`."""
        return True

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """cos(theta - m z) - m (1 + z); the norms get no gradient."""
        z = self.quality(_needed(norms, "AdaFace"))
        shifted = angle(cos_target) - self.margin * z
        clipped = shifted.clamp(self.angle_floor_rad, math.pi - self.angle_floor_rad)
        return torch.cos(clipped) - self.margin * (1 + z)


@dataclass(frozen=True, eq=False)
class MvLogit(WrappedLogit):
    """Misclassified-vector softmax: negatives that beat the margined target weigh more.

    Where c_j > target(c_y): c_j -> w c_j + w - 1. Which negatives are hard is decided with the
    margin at every angle, also where the target's own margin is an easy one, as in the published
    code (github.com/xiaoboCASIA/SV-X-Softmax).

    Source: Wang et al., "Mis-classified Vector Guided Softmax Loss", AAAI 2020, arXiv 1912.00833.

    Attributes:
        target_logit: The target's (CosFace or ArcFace in the paper).
        weight: w = t + 1, at least 1.
    """

    target_logit: TargetLogit = field(default_factory=CosFaceLogit)
    weight: float = 1.12

    def __post_init__(self) -> None:
        check_range("weight", self.weight, low=1)

    @property
    def changes_negatives(self) -> bool:
        """See `TargetLogit.changes_negatives`."""
        return True

    def negatives(self, cos: Tensor, cos_target: Tensor, margined_target: Tensor) -> Tensor:
        """W c + w - 1 for the hard ones."""
        full = self.target_logit.uneased()
        bar = margined_target if full is self.target_logit else full(cos_target)
        hard = cos.detach() > bar.detach()[:, None]
        return torch.where(hard, self.weight * cos + (self.weight - 1), cos)


@dataclass(frozen=True, eq=False)
class CurricularLogit(TargetLogit):
    """ArcFace's target; hard negatives (c_j > target(c_y)) become c_j (t + c_j).

    The derivative t + 2 c_j is negative for c_j < -t / 2: early in training (t near 0) hard
    negatives with a negative cosine are pulled up to 0. That is the paper's loss, not a slip.

    Source: Huang et al., "CurricularFace", CVPR 2020, arXiv 2004.00288.

    Attributes:
        margin_rad: m in radians.
        level: t, the running mean of the target cosines; float or 0-d tensor.
    """

    margins: ClassVar[tuple[str, ...]] = ("margin_rad",)
    margin_rad: float = 0.5
    level: float | Tensor = 0.0

    def __post_init__(self) -> None:
        check_range("margin_rad", self.margin_rad, low=0, high=math.pi, high_open=True)

    @property
    def changes_negatives(self) -> bool:
        """See `TargetLogit.changes_negatives`."""
        return True

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """cos(theta + m) with ArcFace's fallback."""
        return ArcFaceLogit(self.margin_rad)(cos_target)

    def negatives(self, cos: Tensor, cos_target: Tensor, margined_target: Tensor) -> Tensor:
        """C (t + c) for the hard ones."""
        hard = cos.detach() > margined_target.detach()[:, None]
        return torch.where(hard, cos * (self.level + cos), cos)


@dataclass(frozen=True, eq=False)
class CircleLogit(TargetLogit):
    """Circle loss in class form: pairs far from their optimum pull harder.

    Target [1 + m - c]+ (c - (1 - m)), negatives [c + m]+ (c - m); the bracketed weights carry no
    gradient. The target's value still never rises with theta: its slope in c is 2 (1 - c).

    Source: Sun et al., "Circle Loss", CVPR 2020, arXiv 2002.10857.

    Attributes:
        margin_cos: m, the relaxation, in units of cosine.
    """

    margin_cos: float = 0.25

    @property
    def changes_negatives(self) -> bool:
        """See `TargetLogit.changes_negatives`."""
        return True

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """[1 + m - c]+ (c - (1 - m))."""
        weight = (1 + self.margin_cos - cos_target.detach()).clamp_min(0)
        return weight * (cos_target - (1 - self.margin_cos))

    def negatives(self, cos: Tensor, cos_target: Tensor, margined_target: Tensor) -> Tensor:
        """[c + m]+ (c - m) for all."""
        weight = (cos.detach() + self.margin_cos).clamp_min(0)
        return weight * (cos - self.margin_cos)
