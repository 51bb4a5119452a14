"""What losses over pairs and triplets share: distances, the mean, queries beside references."""

from abc import abstractmethod

import torch
from torch import Tensor

from vultus.losses.base import IGNORED, Loss, LossOutput, check_features, check_labels
from vultus.losses.margins.functional import unit_rows
from vultus.mining.triplets import Split, as_split, squared_distances

_SQRT_FLOOR = 1e-12


class PairwiseLoss(Loss):
    """A loss that compares rows: those of the batch with each other, or with a reference."""

    def forward(
        self, features: Tensor, labels: Tensor, reference: tuple[Tensor, Tensor] | None = None
    ) -> LossOutput:
        """The loss of a batch.

        Args:
            features: See `Loss.forward`.
            labels: See `Loss.forward`.
            reference: Features (m, dim) and labels (m,) to compare the batch with, instead of with
                itself: positives and negatives are of these. Both sides get a gradient. A batch
                that is its own reference is another loss: then a row is its own positive.

        Raises:
            InputError: If shapes or dtypes do not match, or a label is out of range.
        """
        if reference is None:
            return super().forward(features, labels)
        rows, numbers = Split(features, reference[0]), Split(labels, reference[1])
        for part, told in zip(rows, numbers, strict=True):
            check_features(part, dim=self.dim)
            check_labels(told, num_labels=self.num_labels, rows=len(part))
        kept = [told != IGNORED for told in numbers]
        rows = Split(*(part[own] for part, own in zip(rows, kept, strict=True)))
        numbers = Split(*(told[own].long() for told, own in zip(numbers, kept, strict=True)))
        with torch.autocast(features.device.type, enabled=False):
            output = self.compute(precise_rows(rows), numbers)
        if self.training:
            self.step += 1
        return output

    @abstractmethod
    def compute(self, features: Tensor | Split, labels: Tensor | Split) -> LossOutput:
        """See `Loss.compute`; both may be split, and then either side may have no row."""


def precise_rows(features: Tensor | Split) -> Tensor | Split:
    """Half precision as float32."""
    if isinstance(features, Split):
        dtype = torch.promote_types(features.queries.dtype, features.references.dtype)
        dtype = torch.promote_types(dtype, torch.float32)
        return Split(features.queries.to(dtype), features.references.to(dtype))
    return features.to(torch.promote_types(features.dtype, torch.float32))


def unit_split(features: Tensor | Split) -> Tensor | Split:
    """Rows of length 1."""
    if isinstance(features, Split):
        return Split(unit_rows(features.queries)[0], unit_rows(features.references)[0])
    return unit_rows(features)[0]


def mean_norm(features: Tensor | Split) -> Tensor:
    """Mean length of the batch's rows, detached; 0 where there is none."""
    queries = as_split(features).queries.detach()
    norms: Tensor = torch.linalg.vector_norm(queries, dim=1)
    return norms.sum() / max(len(queries), 1)


def safe_sqrt(squared: Tensor) -> Tensor:
    """sqrt(d^2 + 1e-12): at d = 0 the gradient of the plain root is infinite, and NaN beyond."""
    return (squared.clamp_min(0) + _SQRT_FLOOR).sqrt()


def pairwise_distances(features: Tensor | Split, *, normalize: bool, squared: bool) -> Tensor:
    """Euclidean distances between all rows.

    Args:
        features: (n, d) float32 or float64, or split.
        normalize: Scale the rows to length 1 first.
        squared: Return squared distances.

    Returns:
        (n, n), at least 0; the diagonal is 0 (1e-6 if not squared). Or (n, m), of queries from
        references.
    """
    distances = squared_distances(unit_split(features) if normalize else features)
    return distances if squared else safe_sqrt(distances)


def row_distances(a: Tensor, b: Tensor, *, squared: bool) -> Tensor:
    """Euclidean distance of row i of ``a`` from row i of ``b``.

    Returns:
        (n,).
    """
    distances = (a - b).square().sum(dim=1)
    return distances if squared else safe_sqrt(distances)


def mean_or_zero(
    values: Tensor, features: Tensor | Split, *, count: Tensor | None = None
) -> Tensor:
    """Mean of ``values``, or their sum over ``count``; 0 with a graph where there is none.

    Args:
        values: Any shape, possibly empty.
        features: What the graph has to reach.
        count: 0-d, what to divide by (at least 1 is taken); None takes the number of values.
    """
    if values.numel() == 0:
        return torch.stack([part.sum() for part in as_split(features)]).sum() * 0
    return values.mean() if count is None else values.sum() / count.clamp_min(1)
