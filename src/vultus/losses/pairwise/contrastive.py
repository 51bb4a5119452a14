"""Contrastive loss on pairs, alone and joined with softmax as in DeepID2."""

import torch
from torch import Tensor

from vultus.core.checks import check_range
from vultus.losses.base import Loss, LossOutput, register_loss
from vultus.losses.centres.classification import Softmax
from vultus.losses.pairwise.pairs import (
    PairwiseLoss,
    mean_norm,
    mean_or_zero,
    pairwise_distances,
)
from vultus.mining.triplets import Split, all_pairs


def contrastive_terms(distances: Tensor, same: Tensor, *, margin_distance: float) -> Tensor:
    """d^2 / 2 of genuine pairs, max(0, m - d)^2 / 2 of impostor pairs.

    Args:
        distances: (p,) Euclidean distances, not squared.
        same: (p,) bool.
        margin_distance: m, a distance.

    Returns:
        (p,) terms.

    Source: Sun et al., "DeepID2", NIPS 2014.
    """
    apart = (margin_distance - distances).clamp_min(0)
    return 0.5 * torch.where(same, distances, apart).square()


def verification_margin(distances: Tensor, same: Tensor) -> float:
    """The distance that best tells genuine from impostor pairs: a fresh m for the next epoch.

    Args:
        distances: (p,) of validation pairs.
        same: (p,) bool.

    Returns:
        A threshold t with the fewest errors of the rule "same if d <= t"; halfway between two
        neighbouring distances, the smallest of equally good ones.
    """
    order = distances.argsort()
    sorted_distances, sorted_same = distances[order].double(), same[order].long()
    missed = sorted_same.sum() - torch.cat([sorted_same.new_zeros(1), sorted_same.cumsum(0)])
    false = torch.cat([sorted_same.new_zeros(1), (1 - sorted_same).cumsum(0)])
    errors = missed + false
    # Cut k accepts the k nearest pairs; equal distances cannot be cut apart, nor 0 be cut off.
    low = torch.cat([sorted_distances.new_zeros(1), sorted_distances])
    high = torch.cat([sorted_distances, sorted_distances[-1:]])
    tied = torch.zeros_like(errors, dtype=torch.bool)
    tied[:-1] = sorted_distances == low[:-1]
    cut = int(errors.masked_fill(tied, len(same) + 1).argmin())
    return float((low[cut] + high[cut]) / 2)


@register_loss(
    "contrastive",
    paper="Hadsell et al., CVPR 2006; Sun et al., DeepID2, NIPS 2014",
    equation="mean over pairs: d^2/2 if same, max(0, m - d)^2/2 if not",
    arxiv="1406.4773",
)
class Contrastive(PairwiseLoss):
    """Contrastive loss over all pairs of the batch, or of the batch and a reference.

    Args:
        num_classes: Number of identities (for the label check).
        dim: Length of a feature.
        margin_distance: m, a Euclidean distance. With ``normalize`` distances lie in [0, 2].
        normalize: Bring features to length 1 first.
    """

    def __init__(
        self, *, num_classes: int, dim: int, margin_distance: float = 1.0, normalize: bool = False
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        self.margin_distance = check_range("margin_distance", margin_distance, low=0, low_open=True)
        self.normalize = normalize

    def compute(self, features: Tensor | Split, labels: Tensor | Split) -> LossOutput:
        """Mean over all pairs."""
        distances = pairwise_distances(features, normalize=self.normalize, squared=False)
        first, second, same = all_pairs(labels)
        terms = contrastive_terms(
            distances[first, second], same, margin_distance=self.margin_distance
        )
        loss = mean_or_zero(terms, features)
        active = (terms.detach() > 0).to(loss.dtype)
        return LossOutput(
            loss,
            {
                "active_fraction": active.sum() / max(len(active), 1),
                "feature_norm": mean_norm(features),
            },
        )


@register_loss(
    "deepid2",
    paper="Sun et al., DeepID2, NIPS 2014",
    equation="softmax + w contrastive",
    arxiv="1406.4773",
)
class DeepId2(Loss):
    """Identification (softmax) and verification (contrastive) signals together.

    The paper searches m anew on validation pairs during training: `verification_margin`, assigned
    to ``contrastive.margin_distance``.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        margin_distance: m of the contrastive term, a Euclidean distance.
        weight: w, of the contrastive term.
        normalize: Bring features to length 1 in the contrastive term.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        margin_distance: float = 1.0,
        weight: float = 0.05,
        normalize: bool = False,
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        self.contrastive_weight = check_range("weight", weight, low=0)
        self.softmax = Softmax(num_classes=num_classes, dim=dim)
        self.contrastive = Contrastive(
            num_classes=num_classes,
            dim=dim,
            margin_distance=margin_distance,
            normalize=normalize,
        )

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """Weighted sum of both."""
        identification = self.softmax.compute(features, labels)
        verification = self.contrastive.compute(features, labels)
        loss = identification.loss + self.contrastive_weight * verification.loss
        parts = {
            "identification": identification.loss.detach(),
            "verification": verification.loss.detach(),
        }
        return LossOutput(loss, {**verification.statistics, **identification.statistics, **parts})
