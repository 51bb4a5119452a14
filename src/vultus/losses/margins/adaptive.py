"""Heads that follow training or the face: Elastic, Curricular, MV, AdaCos, MagFace, AdaFace."""

import math
from typing import Literal

import torch
from torch import Tensor

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.losses.base import LossOutput, register_loss
from vultus.losses.margins.bounds import adacos_scale, magface_minimum_regulariser
from vultus.losses.margins.margin_softmax import Gradient, MarginSoftmax
from vultus.losses.margins.target_logit import (
    ArcFaceLogit,
    Beyond,
    CosFaceLogit,
    NormFaceLogit,
    TargetLogit,
)
from vultus.losses.margins.target_logit_adaptive import (
    AdaFaceLogit,
    CurricularLogit,
    MagFaceLogit,
    MvLogit,
)
from vultus.losses.process_sums import sum_over_processes


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
        seed: Of the draws, with ``step``; give each process its own.
    """

    follows_batch = True

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
        level: 0-d buffer, running mean of the un-margined target cosine (over all processes).
        ema_rate: How fast it moves: 0.01.
    """

    spans_processes = True
    follows_batch = True
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
                total, rows = self.over_batch(torch.stack([cos_target.sum(), count])).unbind()
                if rows > 0:
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
        easy_margin: The margin only where cos(t) > m (``"cos"``) or cos(t) > 0 (``"arc"``), the
            plain cosine elsewhere. So the authors' code has it, and their models were trained with
            it (github.com/xiaoboCASIA/SV-X-Softmax); the paper's formula is without.
    """

    same_for_all = True

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        kind: Literal["arc", "cos"] = "cos",
        margin: float = 0.35,
        hard_weight: float = 1.12,
        scale: float = 32.0,
        easy_margin: bool = False,
    ) -> None:
        if kind not in ("arc", "cos"):
            raise InputError(f"kind must be 'arc' or 'cos', got {kind!r}")
        target: TargetLogit = CosFaceLogit(margin, easy_margin)
        if kind == "arc":
            target = ArcFaceLogit(margin, "easy" if easy_margin else "fallback")
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
        dynamic_scale: 0-d buffer, the scale in use; ln(B) and the median are means over the
            batches of all processes.
    """

    spans_processes = True
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
        total = sum_over_processes(torch.stack([log_mean, median, torch.ones_like(median)]))
        log_mean, median = (total[:2] / total[2]).unbind()
        # Few classes can make B less than 1, and the scale negative.
        self.dynamic_scale.copy_((log_mean / torch.cos(median)).clamp_min(1))


@register_loss(
    "magface",
    paper="Meng et al., MagFace, CVPR 2021",
    equation="target = cos(t + m(a)), m linear in a = clamp(|x|, l, u); + w mean(1/a + a/u^2)",
    arxiv="2103.06627",
)
class MagFace(MarginSoftmax):
    """A margin that grows with the feature's length, which becomes a measure of quality.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        scale: s.
        norm_range: (l, u); lengths outside are clamped and get no gradient. Training from scratch:
            (10, 110). Fine-tuning features of length about 1: (1, 51).
        margin_range_rad: Margins at l and at u in radians.
        regulariser: w, weight of mean(1/a + a/u^2), which pulls lengths up. None takes the bound of
            `magface_minimum_regulariser`; less is refused, because then no best length exists.
            The paper trains with 35.
        beyond: Past theta = pi - m, as `ArcFace` has it. ``"easy"`` (the margin only where
            cos(t) > 0) is the default of the authors' code, with which their models were trained
            (github.com/IrvingMeng/MagFace, models/magface.py).

    Raises:
        InputError: If the regulariser is below its bound.
    """

    follows_batch = True

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        scale: float = 64.0,
        norm_range: tuple[float, float] = (10.0, 110.0),
        margin_range_rad: tuple[float, float] = (0.45, 0.8),
        regulariser: float | None = 35.0,
        beyond: Beyond = "fallback",
    ) -> None:
        target_logit = MagFaceLogit(*norm_range, *margin_range_rad, beyond)
        super().__init__(num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale)
        bound = magface_minimum_regulariser(
            scale=scale, norm_range=norm_range, margin_range_rad=margin_range_rad
        )
        self.regulariser = bound if regulariser is None else regulariser
        if self.regulariser < bound:
            raise InputError(
                f"regulariser must be at least {bound:.6g} for this scale, norm_range and "
                f"margin_range_rad, got {regulariser}; pass None to take the bound"
            )
        self.norm_range = norm_range

    def completed(self, output: LossOutput, norms: Tensor) -> LossOutput:
        """The cross-entropy plus the weighted regulariser of the feature lengths."""
        low, high = self.norm_range
        lengths = norms.clamp(low, high)
        penalty = (1 / lengths + lengths / high**2).mean()
        statistics = {**output.statistics, "regulariser": penalty.detach()}
        return LossOutput(output.loss + self.regulariser * penalty, statistics)


@register_loss(
    "adaface",
    paper="Kim et al., AdaFace, CVPR 2022",
    equation="target = cos(clip(t - m z)) - m (1 + z), z = clip(h (|x| - mean) / std, -1, 1)",
    arxiv="2204.00964",
)
class AdaFace(MarginSoftmax):
    """The margin follows image quality, judged by the feature's length against a running mean.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        margin: m, in radians and in units of cosine.
        scale: s.
        concentration: h, how fast the margin follows the length.
        grad: ``"exact"``, or ``"detached"`` to take the target logit's derivative as 1.

    Attributes:
        norm_mean: 0-d buffer, running mean of the lengths (over all processes); starts at 20.
        norm_std: 0-d buffer, running standard deviation; starts at 100.
        ema_rate: How fast they move: 0.01.
    """

    spans_processes = True
    follows_batch = True
    ema_rate = 0.01
    norm_mean: Tensor
    norm_std: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        margin: float = 0.4,
        scale: float = 64.0,
        concentration: float = 0.333,
        grad: Gradient = "exact",
    ) -> None:
        target_logit = AdaFaceLogit(margin, concentration)
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale, grad=grad
        )
        self.margin, self.concentration = margin, concentration
        self.register_buffer("norm_mean", torch.tensor(20.0))
        self.register_buffer("norm_std", torch.tensor(100.0))

    def target_logit_for(self, cos_target: Tensor, norms: Tensor) -> TargetLogit:
        """Target logit with the running statistics, which first take in this batch if training."""
        if self.training:
            self._update(norms.detach().clamp(1e-3, 100))
        # Copies: it may be evaluated again (in a fused backward) after the buffers move.
        mean, std = self.norm_mean.clone(), self.norm_std.clone()
        return AdaFaceLogit(self.margin, self.concentration, mean, std)

    @torch.no_grad()
    def _update(self, norms: Tensor) -> None:
        count, total, squares = self.over_batch(
            torch.stack([norms.new_tensor(float(len(norms))), norms.sum(), norms.square().sum()])
        ).unbind()
        if count == 0:
            return
        mean = total / count
        self.norm_mean.lerp_(mean.to(self.norm_mean.dtype), self.ema_rate)
        if count >= 2:  # one length has no spread; the running value stays
            variance = ((squares - count * mean**2) / (count - 1)).clamp_min(0)
            self.norm_std.lerp_(variance.sqrt().to(self.norm_std.dtype), self.ema_rate)
