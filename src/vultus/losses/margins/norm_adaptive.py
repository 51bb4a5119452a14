"""Heads whose margin follows the feature's length, as a sign of quality: MagFace and AdaFace."""

import torch
from torch import Tensor

from vultus.core.errors import InputError
from vultus.losses.base import LossOutput, register_loss
from vultus.losses.margins.bounds import magface_minimum_regulariser
from vultus.losses.margins.margin_softmax import Gradient, MarginSoftmax
from vultus.losses.margins.target_logit import TargetLogit
from vultus.losses.margins.target_logit_adaptive import AdaFaceLogit, MagFaceLogit
from vultus.losses.process_sums import sum_over_ranks


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

    Raises:
        InputError: If the regulariser is below its bound.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        scale: float = 64.0,
        norm_range: tuple[float, float] = (10.0, 110.0),
        margin_range_rad: tuple[float, float] = (0.45, 0.8),
        regulariser: float | None = 35.0,
    ) -> None:
        target_logit = MagFaceLogit(*norm_range, *margin_range_rad)
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

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """Cross-entropy plus the weighted regulariser of the feature lengths."""
        cos, own, norms = self.cosines(features, labels)
        output = self.of_cosines(cos, own, norms, labels)
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
        norm_mean: 0-d buffer, running mean of the lengths (over all ranks); starts at 20.
        norm_std: 0-d buffer, running standard deviation; starts at 100.
        ema_rate: How fast they move: 0.01.
    """

    spans_ranks = True
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
        count, total, squares = sum_over_ranks(
            torch.stack([norms.new_tensor(float(len(norms))), norms.sum(), norms.square().sum()])
        ).unbind()
        mean = total / count
        self.norm_mean.lerp_(mean.to(self.norm_mean.dtype), self.ema_rate)
        if count >= 2:  # one length has no spread; the running value stays
            variance = ((squares - count * mean**2) / (count - 1)).clamp_min(0)
            self.norm_std.lerp_(variance.sqrt().to(self.norm_std.dtype), self.ema_rate)
