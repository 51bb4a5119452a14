"""CR-FIQA: ArcFace with a head that learns to predict how well a face can be classified."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that every torch user knows

from vultus.core.checks import check_range
from vultus.losses.base import LossOutput, register_loss
from vultus.losses.margins.margin_softmax import MarginSoftmax
from vultus.losses.margins.target_logit import ArcFaceLogit

_EPS = 1e-9


def certainty_ratio(cos: Tensor, labels: Tensor) -> Tensor:
    """c_y / (max over the other classes of c_j + 1): high for a face that is easy to tell.

    Args:
        cos: (n, C) cosines with the class centres, C at least 2.
        labels: (n,) int64.

    Returns:
        (n,).

    Source: Boutros et al., "CR-FIQA", CVPR 2023, arXiv 2112.06592.
    """
    own = cos.gather(1, labels[:, None])[:, 0]
    others = cos.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    # Rounding can put a cosine just below -1, and the divisor below 0.
    return own / ((others + 1).clamp_min(0) + _EPS)


@register_loss(
    "cr-fiqa",
    paper="Boutros et al., CR-FIQA, CVPR 2023",
    equation="ArcFace + w smooth_l1(q(x), c_y / (max_{j != y} c_j + 1))",
    arxiv="2112.06592",
)
class CrFiqa(MarginSoftmax):
    """ArcFace, and a linear head on the feature that regresses the certainty ratio.

    The ratio is a target: it gets no gradient.

    Args:
        num_classes: Number of identities, at least 2.
        dim: Length of a feature.
        margin_rad: m in radians.
        scale: s.
        quality_weight: w, of the regression.
        beta: Where the smooth L1 turns from square to line.

    Attributes:
        quality: The head, ``nn.Linear(dim, 1)``: keep it with the network, it is the product.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        margin_rad: float = 0.5,
        scale: float = 64.0,
        quality_weight: float = 10.0,
        beta: float = 0.5,
    ) -> None:
        check_range("num_classes", num_classes, low=2)
        target_logit = ArcFaceLogit(margin_rad)
        super().__init__(num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale)
        self.quality_weight = check_range("quality_weight", quality_weight, low=0)
        self.beta = check_range("beta", beta, low=0, low_open=True)
        self.quality = nn.Linear(dim, 1)

    def predict_quality(self, features: Tensor) -> Tensor:
        """(n,) predicted certainty ratio of (n, dim) features; not bounded."""
        weight = self.quality.weight.to(features.dtype)
        return F.linear(features, weight, self.quality.bias.to(features.dtype))[:, 0]

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """ArcFace plus the weighted regression."""
        cos, own, norms = self.cosines(features, labels)
        output = self.of_cosines(cos, own, norms, labels)
        ratio = certainty_ratio(cos, labels).detach()
        regression = F.smooth_l1_loss(self.predict_quality(features), ratio, beta=self.beta)
        statistics = {
            **output.statistics,
            "certainty_ratio": ratio.mean(),
            "quality_regression": regression.detach(),
        }
        return LossOutput(output.loss + self.quality_weight * regression, statistics)
