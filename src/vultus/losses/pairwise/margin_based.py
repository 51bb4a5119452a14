"""Margin-based loss with a learned boundary per class ("Sampling Matters")."""

import torch
from torch import Tensor, nn

from vultus.core.checks import check_range
from vultus.losses.base import LossOutput, register_loss
from vultus.losses.pairwise.pairs import (
    PairwiseLoss,
    mean_norm,
    mean_or_zero,
    pairwise_distances,
    precise_rows,
    row_distances,
    unit_split,
)
from vultus.mining.triplets import Split, as_split, negative_mask, positive_mask


@register_loss(
    "margin-based",
    paper="Wu et al., Sampling Matters, ICCV 2017",
    equation="max(0, a + (d - b_y)) of genuine, max(0, a - (d - b_y)) of impostor pairs",
    arxiv="1706.07567",
)
class MarginBased(PairwiseLoss):
    """Genuine pairs within b - a, impostor pairs beyond b + a, with b learned for each class.

    Features are brought to length 1; distances are not squared. The sum over pairs is divided by
    the number of pairs with a loss above 0. The paper draws negatives by distance
    (`vultus.mining`): give them to `of_triplets`; the plain call takes all pairs of the batch.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        margin_distance: a, a Euclidean distance.
        boundary_distance: b at the start, a Euclidean distance.
        boundary_weight: nu, weight of the mean of b over the anchors.

    Attributes:
        boundary: (C,) parameter b. The paper gives it a learning rate of its own.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        margin_distance: float = 0.2,
        boundary_distance: float = 1.2,
        boundary_weight: float = 0.0,
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        self.margin_distance = check_range("margin_distance", margin_distance, low=0)
        check_range("boundary_distance", boundary_distance, low=0, high=2)
        self.boundary_weight = check_range("boundary_weight", boundary_weight, low=0)
        self.boundary = nn.Parameter(torch.full((num_classes,), float(boundary_distance)))

    def compute(self, features: Tensor | Split, labels: Tensor | Split) -> LossOutput:
        """All ordered pairs of the batch, or with the reference; the first's class sets b."""
        distances = pairwise_distances(features, normalize=True, squared=False)
        genuine, impostor = positive_mask(labels), negative_mask(labels)
        anchors = as_split(labels).queries
        boundary = self.boundary.to(distances.dtype)[anchors][:, None].expand_as(distances)
        return self._reduce(
            features,
            positive=(distances[genuine], boundary[genuine]),
            negative=(distances[impostor], boundary[impostor]),
        )

    def of_triplets(
        self,
        features: Tensor | Split,
        labels: Tensor | Split,
        triplets: tuple[Tensor, Tensor, Tensor],
    ) -> LossOutput:
        """The loss of mined triplets: each gives a genuine and an impostor pair.

        Args:
            features: (n, dim) floating, or split.
            labels: (n,) int64, split as the features are.
            triplets: Row numbers of anchors, positives and negatives.
        """
        precise = precise_rows(features)
        rows = as_split(unit_split(precise))
        anchors, others = rows.queries[triplets[0]], rows.references
        boundary = self.boundary.to(others.dtype)[as_split(labels).queries[triplets[0]]]
        positive = row_distances(anchors, others[triplets[1]], squared=False)
        negative = row_distances(anchors, others[triplets[2]], squared=False)
        return self._reduce(precise, positive=(positive, boundary), negative=(negative, boundary))

    def _reduce(
        self,
        features: Tensor | Split,
        *,
        positive: tuple[Tensor, Tensor],
        negative: tuple[Tensor, Tensor],
    ) -> LossOutput:
        too_far = (self.margin_distance + positive[0] - positive[1]).clamp_min(0)
        too_near = (self.margin_distance - negative[0] + negative[1]).clamp_min(0)
        terms = torch.cat([too_far, too_near])
        active = (terms.detach() > 0).sum()
        loss = mean_or_zero(terms, features, count=active)
        boundaries = torch.cat([positive[1], negative[1]])
        loss = loss + self.boundary_weight * mean_or_zero(boundaries, features)
        statistics = {
            "active_fraction": active / max(len(terms), 1),
            "boundary_distance": self.boundary.detach().mean(),
            "feature_norm": mean_norm(features),
        }
        return LossOutput(loss, statistics)
