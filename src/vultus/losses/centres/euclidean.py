"""Training in Euclidean space: unit-length centres, non-faces at the origin, norm = quality."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that every torch user knows

from vultus.core.checks import check_range
from vultus.losses.base import Loss, LossOutput, register_loss
from vultus.losses.margins.functional import classification_statistics, unit_rows
from vultus.losses.margins.margin_softmax import new_class_weight


@register_loss(
    "euclidean",
    paper="Softmax over squared distances to unit centres, with the origin for non-faces",
    equation="z_j = -s |x - w_j|^2, z_none = -s |x|^2, target: -s (|x - w_y|^2 + m)",
)
class EuclideanCenters(Loss):
    """Softmax over -s ||x - w_j||^2; features keep their length, which tells the quality.

    Each identity has a centre of length 1, and label ``num_classes`` ("not a face", "unreadable")
    has the origin. Compare by cosine afterwards; `quality` is min(||x||, 1).

    At ||x|| = 1, without non-faces among the classes, this is NormFace with scale 2 s. The softmax
    does not feel ||x||^2, which all logits share: x along w_y has the logit s (2 ||x|| - 1) against
    0 for the origin, so nothing holds a clear face *at* length 1, it may go beyond. ``pull`` adds
    the distance itself, if the length is to mean something above 1 too.

    Args:
        num_classes: Number of identities, C. Labels are 0 ... C-1, and C for non-faces.
        dim: Length of a feature.
        scale: s, per squared distance.
        margin_squared_distance: m, a squared distance.
        pull: Weight of the mean squared distance to the own centre (the origin for non-faces).
        unit_length: Length of a raw feature that counts as 1: all features are divided by it. A
            network that ends in batch normalisation gives lengths near dim^1/2 from the first step
            on; taken as they are, the logits of random features are so far apart that nothing
            useful is learnt.

    Attributes:
        weight: (C, d) parameter; only its directions count.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        scale: float = 16.0,
        margin_squared_distance: float = 0.1,
        pull: float = 0.0,
        unit_length: float = 1.0,
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        self.scale = check_range("scale", scale, low=0, low_open=True)
        self.margin_squared_distance = check_range(
            "margin_squared_distance", margin_squared_distance, low=0
        )
        self.pull = check_range("pull", pull, low=0)
        self.unit_length = check_range("unit_length", unit_length, low=0, low_open=True)
        self.weight = new_class_weight(num_classes, dim)

    @property
    def num_labels(self) -> int:
        """C + 1: the identities, and "not a face"."""
        return self.num_classes + 1

    def quality(self, features: Tensor) -> Tensor:
        """min(||x||, 1) of (n, dim) raw features: (n,) in [0, 1]."""
        norms: Tensor = torch.linalg.vector_norm(features.float() / self.unit_length, dim=1)
        return norms.clamp_max(1)

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """Cross-entropy over centres and origin, plus the pull."""
        features = features / self.unit_length
        centers, _ = unit_rows(self.weight.to(features.dtype))
        # -|x - w|^2 without the |x|^2 that all share: no difference of large numbers.
        nearness = F.pad(2 * (features @ centers.T) - 1, (0, 1))
        margin = torch.zeros_like(nearness).scatter_(
            1, labels[:, None], self.margin_squared_distance
        )
        loss = F.cross_entropy(self.scale * (nearness - margin), labels)
        norms = torch.linalg.vector_norm(features, dim=1)
        own = nearness.gather(1, labels[:, None])[:, 0]
        distances = norms.square() - own
        statistics = self._statistics(nearness, labels, norms)
        statistics["target_squared_distance"] = distances.detach().mean()
        return LossOutput(loss + self.pull * distances.mean(), statistics)

    @torch.no_grad()
    def _statistics(self, nearness: Tensor, labels: Tensor, norms: Tensor) -> dict[str, Tensor]:
        statistics = classification_statistics(nearness, labels, cos_target=None, norms=norms)
        faces = (labels < self.num_classes).to(norms.dtype)
        for name, chosen in (("face_norm", faces), ("non_face_norm", 1 - faces)):
            statistics[name] = (norms * chosen).sum() / chosen.sum().clamp_min(1)
        return statistics
