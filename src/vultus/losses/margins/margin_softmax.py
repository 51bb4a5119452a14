"""The head that every margin softmax is: cosines of the classes, a target logit, cross entropy."""

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that every torch user knows

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError
from vultus.losses.base import Loss, LossOutput
from vultus.losses.margins.bounds import expected_initial_loss
from vultus.losses.margins.functional import (
    class_cosines,
    classification_statistics,
    margin_logits,
    target_cosines,
    unit_rows,
)
from vultus.losses.margins.target_logit import (
    DetachedLogit,
    TargetLogit,
)
from vultus.losses.process_sums import sum_over_processes

Gradient = Literal["exact", "detached"]
"""Of the target logit: its own derivative, or 1 (see `DetachedLogit`)."""


def new_class_weight(num_classes: int, dim: int, *, centers: int = 1) -> nn.Parameter:
    """Random class centres, normal with standard deviation 0.01.

    Returns:
        (C, d) parameter, or (C, K, d) for K > 1 sub-centres.
    """
    shape = (num_classes, dim) if centers == 1 else (num_classes, centers, dim)
    return nn.Parameter(torch.randn(shape) * 0.01)


class MarginHead(Loss):
    """What a margin softmax is, whether it holds all logits or goes over the classes in tiles.

    A subclass changes the target logit from batch to batch by overriding `target_logit_for`.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        target_logit: The full margin.

    Attributes:
        scale: s, a float where it is the same in all batches.
        margin_schedule: Fraction of the margin by training step (`MarginWarmup`), or None.
    """

    scale: float | Tensor

    def __init__(self, *, num_classes: int, dim: int, target_logit: TargetLogit) -> None:
        super().__init__(num_classes=num_classes, dim=dim)
        self.target_logit = target_logit
        self.margin_schedule: Callable[[int], float] | None = None

    def target_logit_for(self, cos_target: Tensor, norms: Tensor) -> TargetLogit:
        """The full margin for this batch; may update running state in training mode.

        Args:
            cos_target: (n,) cosines with the own class.
            norms: (n,) feature lengths.
        """
        return self.target_logit

    def scheduled(self, target_logit: TargetLogit) -> TargetLogit:
        """As much of a margin as the schedule allows at this step."""
        if self.margin_schedule is None:
            return target_logit
        return target_logit.scaled(self.margin_schedule(self.step))

    @property
    def classes_in_sum(self) -> int:
        """How many classes a training step sums over."""
        return self.num_classes

    @property
    def fixed_scale(self) -> float | None:
        """s; None where it is learned, or the features' own lengths."""
        return self.scale if isinstance(self.scale, float) else None

    def expected_first_loss(self, *, fraction: float = 1.0) -> float | None:
        """`expected_initial_loss`, or None where nobody knows or s^2 / 2d is not small enough.

        Args:
            fraction: Of the margin at the first step.
        """
        margin, scale = self.target_logit, self.fixed_scale
        if scale is None or scale**2 / (2 * self.dim) > 5.0 or margin.changes_negatives:
            return None
        drop = -float(margin.scaled(fraction)(torch.zeros(1), torch.ones(1)))
        return expected_initial_loss(
            self.classes_in_sum, scale=scale, dim=self.dim, target_drop=drop
        )


class MarginSoftmax(MarginHead):
    """Cross-entropy over scaled cosines, with any margin on the target.

    Args:
        num_classes: Number of identities.
        dim: Length of a feature.
        target_logit: The margin.
        scale: s, above 0; None scales every row by its feature's own length.
        grad: ``"exact"``, or ``"detached"`` to take the target logit's derivative as 1.
        centers: Sub-centres a class.

    Attributes:
        weight: (C, d) or (C, K, d) parameter; only its directions count.
        normalizes_features: False where a feature's own length scales its row.
        same_for_all: Whether the class has one margin and scale for every face of every batch, so
            that a fused head can compute it; False unless a class says so.
        follows_batch: Whether the margin changes from batch to batch, or something is added to the
            loss, but only by `target_logit_for` and `completed`, so that a head for many classes
            can ask this loss for both (`FusedMarginSoftmax.follow`).
        batch_is_whole: Whether `target_logit_for` is given the batch of all processes, so that
            running state needs no sum over them.

    Raises:
        InputError: If a setting is out of range.
    """

    same_for_all: ClassVar[bool] = False
    follows_batch: ClassVar[bool] = False
    batch_is_whole = False

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        target_logit: TargetLogit,
        scale: float | None,
        grad: Gradient = "exact",
        centers: int = 1,
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim, target_logit=target_logit)
        if grad not in ("exact", "detached"):
            raise InputError(f"grad must be 'exact' or 'detached', got {grad!r}")
        self.normalizes_features = scale is not None
        self.scale = 1.0
        if scale is not None:
            self.scale = check_range("scale", scale, low=0, low_open=True)
        self.grad = grad
        self.weight = new_class_weight(
            num_classes, dim, centers=check_positive_int("centers", centers)
        )

    @property
    def fixed_scale(self) -> float | None:
        """See `MarginHead.fixed_scale`."""
        return super().fixed_scale if self.normalizes_features else None

    def fixed_margin(self) -> tuple[TargetLogit, float] | None:
        """Target logit and scale for a fused head; None if that cannot compute this loss."""
        scale = self.fixed_scale
        if scale is None or not self.same_for_all or self.weight.ndim != 2:
            return None
        return self._graded(self.target_logit), scale

    def effective_target_logit(self, cos_target: Tensor, norms: Tensor) -> TargetLogit:
        """`target_logit_for`, after the margin schedule and ``grad``: what goes into the logits."""
        return self._graded(self.scheduled(self.target_logit_for(cos_target, norms)))

    def _graded(self, target_logit: TargetLogit) -> TargetLogit:
        return DetachedLogit(target_logit) if self.grad == "detached" else target_logit

    def scale_for(self, cos: Tensor, norms: Tensor) -> float | Tensor:
        """S for this batch, or the features' lengths; broadcasts to (n, C).

        Args:
            cos: (n, C) cosines.
            norms: (n,) feature lengths.
        """
        return self.scale if self.normalizes_features else norms[:, None]

    def cosines(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cosines with all classes (n, C) and with the own one (n,), and feature lengths (n,)."""
        unit, norms = unit_rows(features)
        unit_weight, _ = unit_rows(self.weight.to(features.dtype))
        own = target_cosines(unit, unit_weight, labels)
        return class_cosines(unit, unit_weight), own, norms

    def compute(self, features: Tensor, labels: Tensor) -> LossOutput:
        """Cross-entropy of the scaled, margined cosines."""
        return self.of_cosines(*self.cosines(features, labels), labels)

    def of_cosines(self, cos: Tensor, own: Tensor, norms: Tensor, labels: Tensor) -> LossOutput:
        """The same, of what `cosines` returned."""
        target_logit = self.effective_target_logit(own, norms)
        scale = self.scale_for(cos, norms)
        logits = scale * margin_logits(cos, own, labels, target_logit=target_logit, norms=norms)
        loss = F.cross_entropy(logits, labels)
        statistics = classification_statistics(cos, labels, cos_target=own, norms=norms)
        return self.completed(LossOutput(loss, statistics), norms)

    def completed(self, output: LossOutput, norms: Tensor) -> LossOutput:
        """The loss with what it adds to the cross-entropy.

        Args:
            output: Of the cross-entropy.
            norms: (n,) feature lengths, with a graph.
        """
        return output

    def over_batch(self, values: Tensor) -> Tensor:
        """Sums over the batch of this process, made sums over that of all; detached."""
        return values.detach() if self.batch_is_whole else sum_over_processes(values)
