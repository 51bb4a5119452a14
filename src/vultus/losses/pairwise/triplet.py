"""Triplet loss with the minings of FaceNet and of "In Defense of the Triplet Loss"."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that every torch user knows

from vultus.core.checks import check_range
from vultus.core.errors import InputError
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
from vultus.mining.miners import batch_hard_triplets, hard_triplets, semi_hard_triplets
from vultus.mining.triplets import Split, Triplets, all_triplets, as_split

Mining = Literal["all", "batch-all", "batch-hard", "hard", "semi-hard"]

_MININGS = ("all", "batch-all", "batch-hard", "hard", "semi-hard")


def triplet_terms(
    positive: Tensor, negative: Tensor, *, margin_distance: float | Literal["soft"]
) -> Tensor:
    """max(0, d_ap - d_an + m), or ln(1 + exp(d_ap - d_an)) for the soft margin.

    A collapsed network shows as a loss of m, or of ln 2 = 0.6931.

    Args:
        positive: (t,) anchor-positive distances, squared or not.
        negative: (t,) anchor-negative distances of the same kind.
        margin_distance: m in the unit of the distances, or ``"soft"``.
    """
    if margin_distance == "soft":
        return F.softplus(positive - negative)
    return (positive - negative + margin_distance).clamp_min(0)


@register_loss(
    "triplet",
    paper="Schroff et al., FaceNet, CVPR 2015; Hermans et al., 2017",
    equation="max(0, d_ap - d_an + m), or ln(1 + exp(d_ap - d_an))",
    arxiv="1503.03832, 1703.07737",
)
class Triplet(PairwiseLoss):
    """Triplet loss, mined within the batch, or between it and a reference.

    FaceNet is the default: unit features, squared distances, margin 0.2, semi-hard. "In Defense" is
    ``mining="batch-hard", margin_distance="soft", squared=False, normalize=False``.

    The mean runs over the selected triplets; for ``"batch-all"`` over those with a loss above 0.

    Args:
        num_classes: Number of identities (for the label check).
        dim: Length of a feature.
        mining: ``"semi-hard"`` (within the margin of the loss), ``"hard"``, ``"batch-hard"``
            or ``"all"``: a miner of `vultus.mining.miners`; ``"batch-all"`` mines like ``"all"``.
        margin_distance: m in the unit of the distance, or ``"soft"``.
        squared: Square the distances.
        normalize: Bring features to length 1.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        mining: Mining = "semi-hard",
        margin_distance: float | Literal["soft"] = 0.2,
        squared: bool = True,
        normalize: bool = True,
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        if mining not in _MININGS:
            raise InputError(f"mining must be one of {', '.join(_MININGS)}, got {mining!r}")
        if margin_distance != "soft":
            check_range("margin_distance", margin_distance, low=0)
        self.mining: Mining = mining
        self.margin_distance: float | Literal["soft"] = margin_distance
        self.squared = squared
        self.normalize = normalize

    def compute(self, features: Tensor | Split, labels: Tensor | Split) -> LossOutput:
        """Mine in the batch, then the mean."""
        distances = pairwise_distances(features, normalize=self.normalize, squared=self.squared)
        triplets = self.mine(distances, labels)
        return self._reduce(features, distances[triplets[:2]], distances[triplets[::2]])

    def mine(self, distances: Tensor, labels: Tensor | Split) -> Triplets:
        """The triplets of a batch that the loss takes.

        Args:
            distances: (n, n) of the loss's kind, squared or not; or (n, m).
            labels: (n,) integer, or split; -1 takes no part.
        """
        match self.mining:
            case "all" | "batch-all":
                return all_triplets(labels)
            case "batch-hard":
                return batch_hard_triplets(distances, labels)
            case "hard":
                return hard_triplets(distances, labels)
            case "semi-hard":
                # Nothing is within a margin of 0, and a soft one has no end.
                without = self.margin_distance in ("soft", 0)
                margin = math.inf if without else float(self.margin_distance)
                return semi_hard_triplets(distances, labels, margin=margin)

    def of_triplets(
        self, features: Tensor | Split, triplets: tuple[Tensor, Tensor, Tensor]
    ) -> LossOutput:
        """The loss of triplets mined elsewhere (offline, or by `vultus.mining`).

        Args:
            features: (n, dim) floating, or split.
            triplets: Row numbers of anchors, positives and negatives.
        """
        precise = precise_rows(features)
        rows = as_split(unit_split(precise) if self.normalize else precise)
        anchors, others = rows.queries[triplets[0]], rows.references
        positive = row_distances(anchors, others[triplets[1]], squared=self.squared)
        negative = row_distances(anchors, others[triplets[2]], squared=self.squared)
        return self._reduce(precise, positive, negative)

    def _reduce(self, features: Tensor | Split, positive: Tensor, negative: Tensor) -> LossOutput:
        terms = triplet_terms(positive, negative, margin_distance=self.margin_distance)
        active = (terms.detach() > 0).sum()
        count = active if self.mining == "batch-all" else None
        loss = mean_or_zero(terms, features, count=count)
        with torch.no_grad():
            number = max(len(terms), 1)
            statistics = {
                "active_fraction": active / number,
                "feature_norm": mean_norm(features),
                "negative_distance": negative.sum() / number,
                "positive_distance": positive.sum() / number,
                "triplets": terms.new_tensor(float(len(terms))),
            }
        return LossOutput(loss, statistics)
