"""Heads whose margin, negatives or scale change in training: Elastic, Curricular, MV, AdaCos."""

import math
from typing import Literal

import torch
from torch import Tensor

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.losses.base import LossOutput, register_loss
from vultus.losses.margins.bounds import adacos_scale
from vultus.losses.margins.margin_softmax import Gradient, MarginSoftmax
from vultus.losses.margins.target_logit import (
    ArcFaceLogit,
    CosFaceLogit,
    NormFaceLogit,
    TargetLogit,
)
from vultus.losses.margins.target_logit_adaptive import CurricularLogit, MvLogit
from vultus.losses.process_sums import sum_over_ranks


@register_loss(
    "elasticface",
    paper="Boutros et al., ElasticFace, CVPRW 2022",
    equation="target = cos(t + m_i) or cos(t) - m_i, m_i ~ N(m, sigma) fresh each step",
    arxiv="2109.09416",
)
class ElasticFace(MarginSoftmax):
    """A margin drawn anew for every face, reproducibly: the draw is seeded by ``step``.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        kind: ``"arc"`` (m in radians) or ``"cos"`` (m in units of cosine).
        margin: Mean margin (paper: 0.5 for arc, 0.35 for cos); drawn margins are kept in [0, pi/2].
        sigma: Standard deviation of the margin, in its unit.
        scale: s.
        hardest_first: Give the largest of the drawn margins to the face with the smallest cosine.

    Attributes:
        seed: Of the draws, with ``step``; give each rank its own.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        kind: Literal["arc", "cos"] = "arc",
        margin: float = 0.5,
        sigma: float = 0.05,
        scale: float = 64.0,
        hardest_first: bool = False,
    ) -> None:
        if kind not in ("arc", "cos"):
            raise InputError(f"kind must be 'arc' or 'cos', got {kind!r}")
        self.kind = kind
        self.sigma = check_range("sigma", sigma, low=0)
        self.mean_margin = check_range("margin", margin, low=0, high=math.pi / 2)
        self.hardest_first = hardest_first
        self.seed = 0
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=self._with_margin(margin), scale=scale
        )

    def _with_margin(self, margin: float | Tensor) -> TargetLogit:
        return ArcFaceLogit(margin) if self.kind == "arc" else CosFaceLogit(margin)

    def target_logit_for(self, cos_target: Tensor, norms: Tensor) -> TargetLogit:
        """Target logit with one margin a row."""
        return self._with_margin(self.margins(cos_target))

    @torch.no_grad()
    def margins(self, cos_target: Tensor) -> Tensor:
        """The margins of the current step, one a row.

        Args:
            cos_target: (n,) cosines with the own class; only their order counts.
        """
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        noise = torch.randn(len(cos_target), generator=generator, dtype=torch.float64)
        margins = (self.mean_margin + self.sigma * noise).clamp(0, math.pi / 2)
        margins = margins.to(cos_target)
        if not self.hardest_first:
            return margins
        order = cos_target.argsort()
        # Scatter: row order[i], the i-th hardest, receives the i-th largest margin.
        return torch.empty_like(margins).scatter_(0, order, margins.sort(descending=True).values)


@register_loss(
    "curricularface",
    paper="Huang et al., CurricularFace, CVPR 2020",
    equation="target as ArcFace; z_j = s c_j (r + c_j) where c_j > target, "
    "r the running mean of cos(t)",
    arxiv="2004.00288",
)
class CurricularFace(MarginSoftmax):
    """Hard negatives count little early in training and more as the target cosine rises.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        margin_rad: m in radians.
        scale: s.
        grad: ``"exact"``, or ``"detached"`` to take the target logit's derivative as 1.

    Attributes:
        level: 0-d buffer, running mean of the un-margined target cosine (over all ranks).
        ema_rate: How fast it moves: 0.01.
    """

    spans_ranks = True
    ema_rate = 0.01
    level: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        margin_rad: float = 0.5,
        scale: float = 64.0,
        grad: Gradient = "exact",
    ) -> None:
        target_logit = CurricularLogit(margin_rad)
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale, grad=grad
        )
        self.margin_rad = margin_rad
        self.register_buffer("level", torch.tensor(0.0))

    def target_logit_for(self, cos_target: Tensor, norms: Tensor) -> TargetLogit:
        """Target logit with the running level, which first takes in this batch if training."""
        if self.training:
            with torch.no_grad():
                count = cos_target.new_tensor(float(len(cos_target)))
                total, rows = sum_over_ranks(torch.stack([cos_target.sum(), count])).unbind()
                self.level.lerp_((total / rows).to(self.level.dtype), self.ema_rate)
        # A copy: it may be evaluated again (in a fused backward) after the buffer moves.
        return CurricularLogit(self.margin_rad, self.level.clone())


@register_loss(
    "mv-softmax",
    paper="Wang X. et al., MV-Softmax, AAAI 2020",
    equation="target as CosFace or ArcFace; z_j = s (w c_j + w - 1) where c_j > target",
    arxiv="1912.00833",
)
class MvSoftmax(MarginSoftmax):
    """Negatives that beat the margined target ("mis-classified vectors") weigh more.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        kind: The target's margin: ``"cos"`` (m in units of cosine) or ``"arc"`` (m in radians).
        margin: m.
        hard_weight: w, factor of hard negatives, at least 1.
        scale: s.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        kind: Literal["arc", "cos"] = "cos",
        margin: float = 0.35,
        hard_weight: float = 1.12,
        scale: float = 32.0,
    ) -> None:
        if kind not in ("arc", "cos"):
            raise InputError(f"kind must be 'arc' or 'cos', got {kind!r}")
        target = ArcFaceLogit(margin) if kind == "arc" else CosFaceLogit(margin)
        target_logit = MvLogit(target, hard_weight)
        super().__init__(num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale)


@register_loss(
    "adacos",
    paper="Zhang et al., AdaCos, CVPR 2019",
    equation="target = cos(t); s = ln(B) / cos(min(pi/4, median t)), "
    "B = mean_i sum_{j != y} exp(s c_ij)",
    arxiv="1905.00292",
)
class AdaCos(MarginSoftmax):
    """NormFace whose scale follows training; it starts at sqrt(2) ln(C - 1).

    Args:
        num_classes: Number of identities, at least 3.
        dim: Length of a feature.

    Attributes:
        dynamic_scale: 0-d buffer, the scale in use; ln(B) and the median are means over all ranks'
            batches.
    """

    spans_ranks = True
    dynamic_scale: Tensor

    def __init__(self, *, num_classes: int, dim: int) -> None:
        start = adacos_scale(num_classes)
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=NormFaceLogit(), scale=start
        )
        self.register_buffer("dynamic_scale", torch.tensor(start))

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """Cross-entropy with the scale of this batch."""
        cos, own, norms = self.cosines(features, labels)
        if self.training:
            self._update(cos.detach(), own.detach(), labels)
        output = self.of_cosines(cos, own, norms, labels)
        return LossOutput(output.loss, {**output.statistics, "scale": self.dynamic_scale.clone()})

    def scale_for(self, cos: Tensor, norms: Tensor) -> float | Tensor:
        """The dynamic scale."""
        return self.dynamic_scale.clone()

    @torch.no_grad()
    def _update(self, cos: Tensor, own: Tensor, labels: Tensor) -> None:
        logits = self.dynamic_scale * cos
        others = logits.scatter(1, labels[:, None], -math.inf)
        log_mean = torch.logsumexp(others.flatten(), dim=0) - math.log(len(labels))
        median = torch.acos(own.clamp(-1, 1)).median().clamp_max(math.pi / 4)
        total = sum_over_ranks(torch.stack([log_mean, median, torch.ones_like(median)]))
        log_mean, median = (total[:2] / total[2]).unbind()
        # Few classes can make B less than 1, and the scale negative.
        self.dynamic_scale.copy_((log_mean / torch.cos(median)).clamp_min(1))
