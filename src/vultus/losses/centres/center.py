"""Center loss, joined with softmax."""

import torch
from torch import Tensor

from vultus.core.checks import check_range
from vultus.losses.base import LossOutput, register_loss
from vultus.losses.centres.classification import Softmax
from vultus.losses.process_sums import sum_over_processes


def center_update(features: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """By how much each centre should move: sum over its faces of (x - c) / (1 + their number).

    Args:
        features: (n, d); under torch.distributed the faces of all processes count.
        labels: (n,) int64.
        centers: (C, d).

    Returns:
        (C, d); 0 for classes without a face.

    Source: Wen et al., "A Discriminative Feature Learning Approach", ECCV 2016.
    """
    counted = torch.cat([features, features.new_ones(len(features), 1)], dim=1)
    sums = features.new_zeros(len(centers), counted.shape[1]).index_add_(0, labels, counted)
    sums = sum_over_processes(sums)
    numbers = sums[:, -1:]
    return (sums[:, :-1] - numbers * centers) / (1 + numbers)


@register_loss(
    "center",
    paper="Wen et al., Center loss, ECCV 2016",
    equation="softmax + w mean |x - c_y|^2 / 2; c_j += r sum (x - c_j) / (1 + n_j)",
)
class CenterSoftmax(Softmax):
    """Softmax, and a pull of every feature to the running centre of its class.

    The paper sums over the batch where this takes the mean, so its weight is this one over the
    batch size.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        weight: w, of the center term.
        center_rate: r, step of the centres, in [0, 1].

    Attributes:
        centers: (C, d) buffer, moved once a training step by `center_update`; starts at 0.
    """

    spans_processes = True
    centers: Tensor

    def __init__(
        self, *, num_classes: int, dim: int, weight: float = 0.01, center_rate: float = 0.5
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        self.center_weight = check_range("weight", weight, low=0)
        self.center_rate = check_range("center_rate", center_rate, low=0, high=1)
        self.register_buffer("centers", torch.zeros(num_classes, dim))

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """Softmax plus the center term; then the centres move, if training."""
        output = super().compute(features, labels)
        own = self.centers.to(features.dtype)[labels]  # a copy: the buffer may move under the graph
        pull = 0.5 * (features - own).square().sum(dim=1).mean()
        if self.training:
            with torch.no_grad():
                centers = self.centers.to(features.dtype)
                update = center_update(features.detach(), labels, centers)
                self.centers.add_(update.to(self.centers.dtype), alpha=self.center_rate)
        statistics = {**output.statistics, "center_term": pull.detach()}
        return LossOutput(output.loss + self.center_weight * pull, statistics)
