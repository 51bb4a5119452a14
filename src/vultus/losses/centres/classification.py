"""Classification beside the margin heads: softmax, COCO, L2-softmax, ring, Circle, UniFace."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that every torch user knows

from vultus.core.checks import check_range
from vultus.losses.base import Loss, LossOutput, register_loss
from vultus.losses.margins.functional import classification_statistics, softplus, unit_rows
from vultus.losses.margins.margin_softmax import MarginSoftmax
from vultus.losses.margins.target_logit import CosFaceLogit, NormFaceLogit
from vultus.losses.margins.target_logit_adaptive import CircleLogit


@register_loss(
    "softmax",
    paper="Softmax cross-entropy",
    equation="z_j = <W_j, x> + b_j",
)
class Softmax(Loss):
    """A linear layer and cross-entropy.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        bias: With a bias b.

    Attributes:
        weight: (C, d) parameter.
        bias: (C,) parameter, or None.
    """

    def __init__(self, *, num_classes: int, dim: int, bias: bool = True) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        layer = nn.Linear(dim, num_classes)
        self.weight = layer.weight
        self.bias: nn.Parameter | None = layer.bias if bias else None

    def logits(self, features: Tensor) -> Tensor:
        """(n, C) logits of (n, d) features, in the features' dtype."""
        bias = None if self.bias is None else self.bias.to(features.dtype)
        return F.linear(features, self.weight.to(features.dtype), bias)

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """Cross-entropy of the logits."""
        logits = self.logits(features)
        loss = F.cross_entropy(logits, labels)
        norms = torch.linalg.vector_norm(features.detach(), dim=1)
        statistics = classification_statistics(logits, labels, cos_target=None, norms=norms)
        return LossOutput(loss, statistics)


@register_loss(
    "l2-softmax",
    paper="Ranjan et al., L2-constrained Softmax, 2017",
    equation="z_j = s <W_j, x / |x|> + b_j",
    arxiv="1703.09507",
)
class L2Softmax(Softmax):
    """Softmax on features of one fixed length; weights are free.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        scale: s, the length given to every feature; `l2_softmax_minimum_scale` is its bound.
    """

    def __init__(self, *, num_classes: int, dim: int, scale: float = 40.0) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        self.scale = check_range("scale", scale, low=0, low_open=True)

    def logits(self, features: Tensor) -> Tensor:
        """(n, C) logits of the features brought to length s."""
        unit, _ = unit_rows(features)
        return super().logits(self.scale * unit)


@register_loss(
    "ring",
    paper="Zheng et al., Ring loss, CVPR 2018",
    equation="softmax + w/2 mean (|x| - R)^2",
    arxiv="1803.00130",
)
class RingSoftmax(Softmax):
    """Softmax plus a pull of all feature lengths to one learned radius.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        weight: w, of the ring term.
        radius: R at the start, a feature length.
    """

    def __init__(
        self, *, num_classes: int, dim: int, weight: float = 0.01, radius: float = 20.0
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        self.ring_weight = check_range("weight", weight, low=0)
        self.radius = nn.Parameter(torch.tensor(float(radius)))

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """Softmax plus the ring term."""
        output = super().compute(features, labels)
        lengths = torch.linalg.vector_norm(features, dim=1)
        ring = 0.5 * (lengths - self.radius).square().mean()
        statistics = {**output.statistics, "ring": ring.detach()}
        return LossOutput(output.loss + self.ring_weight * ring, statistics)


@register_loss(
    "coco",
    paper="Liu et al., COCO (congenerous cosine), 2017",
    equation="z_j = s cos(t_j): NormFace with s fixed",
    arxiv="1702.06890, 1710.00870",
)
class Coco(MarginSoftmax):
    """Congenerous cosine in its second version: centroids are learned, features have length s.

    The same function as NormFace with a fixed scale. `coco_minimum_scale` bounds s from below.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        scale: s, the length given to every feature; called alpha there.
    """

    same_for_all = True

    def __init__(self, *, num_classes: int, dim: int, scale: float = 21.475) -> None:
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=NormFaceLogit(), scale=scale
        )


@register_loss(
    "circle",
    paper="Sun et al., Circle loss, CVPR 2020 (class form)",
    equation="z_y = s [1+m-c]+ (c-(1-m)), z_j = s [c+m]+ (c-m), brackets detached",
    arxiv="2002.10857",
)
class Circle(MarginSoftmax):
    """Every cosine is weighed by its own distance from where it should be.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        margin_cos: m, the relaxation, in units of cosine.
        scale: s, called gamma there.
    """

    same_for_all = True

    def __init__(
        self, *, num_classes: int, dim: int, margin_cos: float = 0.25, scale: float = 256.0
    ) -> None:
        check_range("margin_cos", margin_cos, low=0, high=1)
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=CircleLogit(margin_cos), scale=scale
        )


@register_loss(
    "uniface",
    paper="Zhou et al., UniFace, ICCV 2023",
    equation="softplus(-(s (c_y - m) - b)) + w sum_{j != y} softplus(s c_j - b), one learned b",
)
class UniFace(MarginSoftmax):
    """Binary cross-entropies with one threshold b shared by all classes.

    So s cos > b becomes a decision that holds across identities, as verification needs it.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        margin_cos: m in units of cosine.
        scale: s.
        negative_weight: w, of the negatives.

    Attributes:
        weight: (C, d) parameter; only its directions count.
        threshold: 0-d parameter b; starts at ln(10 C w).
    """

    follows_batch = True

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        margin_cos: float = 0.4,
        scale: float = 64.0,
        negative_weight: float = 1.0,
    ) -> None:
        check_range("margin_cos", margin_cos, low=0, high=2)
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=CosFaceLogit(margin_cos), scale=scale
        )
        self.negative_weight = check_range("negative_weight", negative_weight, low=0, low_open=True)
        self.threshold = nn.Parameter(torch.empty(()))
        self.start_threshold(num_classes)

    @torch.no_grad()
    def start_threshold(self, classes: int) -> None:
        """Set b to ln(10 n w), for as many classes as a step sums over."""
        self.threshold.fill_(math.log(10 * classes * self.negative_weight))

    def expected_first_loss(self, *, fraction: float = 1.0) -> float | None:
        """None: it is no cross-entropy over the classes."""
        return None

    def of_cosines(self, cos: Tensor, own: Tensor, norms: Tensor, labels: Tensor) -> LossOutput:
        """Batch mean of the two sums."""
        margined = self.effective_target_logit(own, norms)(own, norms)
        positive = softplus(self.threshold - self.scale * margined)
        negative = softplus(self.scale * cos - self.threshold)
        others = torch.ones_like(cos).scatter_(1, labels[:, None], 0)
        loss = (positive + self.negative_weight * (negative * others).sum(dim=1)).mean()
        statistics = classification_statistics(cos, labels, cos_target=own, norms=norms)
        return self.completed(LossOutput(loss, statistics), norms)

    def completed(self, output: LossOutput, norms: Tensor) -> LossOutput:
        """The same, with the cosine at which two faces count as one person, so far."""
        threshold = (self.threshold / self.scale).detach()
        return LossOutput(output.loss, {**output.statistics, "threshold_cos": threshold})
