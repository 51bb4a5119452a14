"""Sub-center ArcFace: several centres a class, for data with wrong labels."""

import torch
from torch import Tensor

from vultus.losses.base import register_loss
from vultus.losses.margins.functional import unit_rows
from vultus.losses.margins.margin_softmax import MarginSoftmax
from vultus.losses.margins.target_logit import ArcFaceLogit


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
