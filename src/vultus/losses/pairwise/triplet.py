"""Triplet loss with the minings of FaceNet and of "In Defense of the Triplet Loss"."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that every torch user knows

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.losses.base import Loss, LossInfo, LossOutput, register_loss
from vultus.losses.margins.functional import unit_rows
from vultus.losses.pairwise.pairs import mean_or_zero, pair_masks, pairwise_distances, row_distances

Mining = Literal["all", "batch-all", "batch-hard", "hard", "semi-hard"]

Triplets = tuple[Tensor, Tensor, Tensor]
"""Row numbers of anchors, positives and negatives, each (t,) int64."""

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


@torch.no_grad()
def select_triplets(distances: Tensor, labels: Tensor, *, mining: Mining) -> Triplets:
    """Choose triplets within a batch.

    - ``"all"``, ``"batch-all"``: every valid triplet (n^3 of them).
    - ``"semi-hard"``: every anchor-positive pair with the nearest negative that is farther than the
      positive; if there is none, with the farthest negative.
    - ``"hard"``: every anchor-positive pair with the nearest negative; known to collapse.
    - ``"batch-hard"``: every anchor with its farthest positive and its nearest negative.

    Args:
        distances: (n, n), squared or not: only the order counts.
        labels: (n,) integer.
        mining: See above.

    Returns:
        Triplets; never an anchor as its own positive, none for anchors without a positive or a
        negative, possibly none at all.
    """
    genuine, impostor = pair_masks(labels)
    if mining in ("all", "batch-all"):
        anchors, positives = genuine.nonzero(as_tuple=True)
        pairs, negatives = impostor[anchors].nonzero(as_tuple=True)
        return anchors[pairs], positives[pairs], negatives
    genuine = genuine & impostor.any(dim=1, keepdim=True)
    nearest = distances.masked_fill(~impostor, torch.inf).argmin(dim=1)
    if mining == "batch-hard":
        anchors = genuine.any(dim=1).nonzero()[:, 0]
        farthest = distances.masked_fill(~genuine, -torch.inf).argmax(dim=1)
        return anchors, farthest[anchors], nearest[anchors]
    anchors, positives = genuine.nonzero(as_tuple=True)
    if mining == "hard":
        return anchors, positives, nearest[anchors]
    return anchors, positives, _semi_hard(distances, impostor)[anchors, positives]


def _semi_hard(distances: Tensor, impostor: Tensor) -> Tensor:
    # Row a, column p: the first of a's negatives, sorted by distance, beyond p. n^2 memory.
    if len(distances) == 0:
        return distances.long()
    ordered, order = distances.masked_fill(~impostor, torch.inf).sort(dim=1)
    beyond = torch.searchsorted(ordered, distances.contiguous(), right=True)
    last = impostor.sum(dim=1, keepdim=True) - 1
    return order.gather(1, torch.minimum(beyond, last).clamp_min(0))


@register_loss(
    "triplet",
    LossInfo(
        "Schroff et al., FaceNet, CVPR 2015; Hermans et al., 2017",
        "max(0, d_ap - d_an + m), or ln(1 + exp(d_ap - d_an))",
        {
            "mining": "'semi-hard', 'hard', 'batch-hard', 'batch-all' or 'all'",
            "margin_distance": "m, a (squared) Euclidean distance, or 'soft'",
            "squared": "whether distances are squared",
            "normalize": "whether features are brought to length 1",
        },
        "1503.03832, 1703.07737",
    ),
)
class Triplet(Loss):
    """Triplet loss, mined within the batch.

    FaceNet is the default: unit features, squared distances, margin 0.2, semi-hard. "In Defense" is
    ``mining="batch-hard", margin_distance="soft", squared=False, normalize=False``.

    The mean runs over the selected triplets; for ``"batch-all"`` over those with a loss above 0.

    Args:
        num_classes: Number of identities (for the label check).
        dim: Length of a feature.
        mining: See `select_triplets`.
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

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """Mine in the batch, then the mean."""
        distances = pairwise_distances(features, normalize=self.normalize, squared=self.squared)
        triplets = select_triplets(distances, labels, mining=self.mining)
        return self._reduce(features, distances[triplets[:2]], distances[triplets[::2]])

    def of_triplets(self, features: Tensor, triplets: Triplets) -> LossOutput:
        """The loss of triplets mined elsewhere (offline, or by `vultus.sampling`).

        Args:
            features: (n, dim) floating.
            triplets: Row numbers of anchors, positives and negatives.
        """
        precise = features.to(torch.promote_types(features.dtype, torch.float32))
        rows = unit_rows(precise)[0] if self.normalize else precise
        anchors, positives, negatives = (rows[index] for index in triplets)
        positive = row_distances(anchors, positives, squared=self.squared)
        return self._reduce(
            precise, positive, row_distances(anchors, negatives, squared=self.squared)
        )

    def _reduce(self, features: Tensor, positive: Tensor, negative: Tensor) -> LossOutput:
        terms = triplet_terms(positive, negative, margin_distance=self.margin_distance)
        active = (terms.detach() > 0).sum()
        count = active if self.mining == "batch-all" else None
        loss = mean_or_zero(terms, features, count=count)
        with torch.no_grad():
            number = max(len(terms), 1)
            statistics = {
                "active_fraction": active / number,
                "feature_norm": torch.linalg.vector_norm(features, dim=1).mean(),
                "negative_distance": negative.sum() / number,
                "positive_distance": positive.sum() / number,
                "triplets": features.new_tensor(float(len(terms))),
            }
        return LossOutput(loss, statistics)
