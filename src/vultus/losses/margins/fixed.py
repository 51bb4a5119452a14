"""Margin softmax with one margin for all: NormFace, CosFace, ArcFace and their relatives."""

import torch
from torch import Tensor, nn

from vultus.core.checks import check_range
from vultus.losses.base import register_loss
from vultus.losses.margins.functional import (
    unit_rows,
)
from vultus.losses.margins.margin_softmax import Gradient, MarginSoftmax
from vultus.losses.margins.target_logit import (
    ArcFaceLogit,
    Beyond,
    CombinedLogit,
    CosFaceLogit,
    NormFaceLogit,
)


@register_loss(
    "normface",
    paper="Wang et al., NormFace, ACM MM 2017",
    equation="target = cos(t)",
    arxiv="1704.06369",
)
class NormFace(MarginSoftmax):
    """Softmax over cosines, no margin; s fixed or learned.

    Bounds on the loss and on s: `vultus.losses.margins.bounds`.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        scale: s (its start, if learned).
        learn_scale: Make s a parameter.
    """

    same_for_all = True

    def __init__(
        self, *, num_classes: int, dim: int, scale: float = 30.0, learn_scale: bool = False
    ) -> None:
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=NormFaceLogit(), scale=scale
        )
        if learn_scale:
            self.scale = nn.Parameter(torch.tensor(float(scale)))


@register_loss(
    "cosface",
    paper="Wang H. et al., CosFace, CVPR 2018; Wang F. et al., AM-Softmax, SPL 2018",
    equation="target = cos(t) - m",
    arxiv="1801.09414, 1801.05599",
)
class CosFace(MarginSoftmax):
    """Additive cosine margin, also known as AM-Softmax and LMCL.

    Published settings: s = 64, m = 0.35 (0.40 on web-scale data); s = 30, m = 0.35 (AM-Softmax).

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        margin_cos: m, in units of cosine.
        scale: s.
        normalize: Normalise features. False is what the CosFace paper compares itself with: the
            logits are `|x| (cos(t_j) - m [j = y])`, and s is not used.
    """

    same_for_all = True

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        margin_cos: float = 0.35,
        scale: float = 64.0,
        normalize: bool = True,
    ) -> None:
        check_range("margin_cos", margin_cos, low=0, high=2)
        super().__init__(
            num_classes=num_classes,
            dim=dim,
            target_logit=CosFaceLogit(margin_cos),
            scale=scale if normalize else None,
        )


@register_loss(
    "arcface",
    paper="Deng et al., ArcFace, CVPR 2019",
    equation="target = cos(t + m) for t <= pi - m; beyond: a choice",
    arxiv="1801.07698",
)
class ArcFace(MarginSoftmax):
    """Additive angular margin.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        margin_rad: m in radians (0.5 rad = 28.65 degrees).
        scale: s.
        beyond: Past theta = pi - m: ``"fallback"`` (cos(t) - m sin m), ``"smooth"``
            (-cos(t + m) - 2), ``"easy"`` or ``"plain"``; see `ArcFaceLogit`.
        grad: ``"exact"``, or ``"detached"`` to take the target logit's derivative as 1.
    """

    same_for_all = True

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        margin_rad: float = 0.5,
        scale: float = 64.0,
        beyond: Beyond = "fallback",
        grad: Gradient = "exact",
    ) -> None:
        target_logit = ArcFaceLogit(margin_rad, beyond)
        super().__init__(
            num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale, grad=grad
        )


@register_loss(
    "combined",
    paper="Deng et al., ArcFace, CVPR 2019 (m1, m2, m3 together)",
    equation="target = pw(m1 t + m2) - m3, pw(a) = (-1)^k cos(a) - 2k, k = floor(a / pi)",
    arxiv="1801.07698",
)
class CombinedMargin(MarginSoftmax):
    """All three margins at once; any combination is monotone.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        multiplier: m1, factor of the angle, above 0.
        margin_rad: m2 in radians.
        margin_cos: m3 in units of cosine.
        scale: s.
    """

    same_for_all = True

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        multiplier: float = 1.0,
        margin_rad: float = 0.3,
        margin_cos: float = 0.2,
        scale: float = 64.0,
    ) -> None:
        target_logit = CombinedLogit(multiplier, margin_rad, margin_cos)
        super().__init__(num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale)


@register_loss(
    "subcenter-arcface",
    paper="Deng et al., Sub-center ArcFace, ECCV 2020",
    equation="cos t_j = max_k <x, W_jk>; target as ArcFace",
)
class SubCenterArcFace(MarginSoftmax):
    """ArcFace with K centres a class, so that mislabelled faces gather at a centre of their own.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        margin_rad: m in radians.
        scale: s.
        centers: K, sub-centres a class. ``weight`` is (C, K, d).
    """

    same_for_all = True

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        margin_rad: float = 0.5,
        scale: float = 64.0,
        centers: int = 3,
    ) -> None:
        target_logit = ArcFaceLogit(margin_rad)
        super().__init__(
            num_classes=num_classes,
            dim=dim,
            target_logit=target_logit,
            scale=scale,
            centers=centers,
        )

    @torch.no_grad()
    def nearest_center(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Which centre of its class each face is at, and how far: for cleaning the data.

        The paper's recipe: keep each class's dominant centre, drop faces more than 75 degrees from
        it, and train again with K = 1.

        Args:
            features: (n, dim) floating.
            labels: (n,) int64.

        Returns:
            (n,) index of the nearest centre, and (n, K) angles to all centres of the own class in
            degrees.
        """
        unit, _ = unit_rows(features.float())
        centers, _ = unit_rows(self.weight.float().view(self.num_classes, -1, self.dim))
        cos = (unit[:, None] * centers[labels]).sum(dim=2).clamp(-1, 1)
        return cos.argmax(dim=1), torch.rad2deg(torch.acos(cos))
