"""Binary cross-entropies with one threshold (UniFace), in tiles over the classes."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vultus.losses.base import IGNORED
from vultus.losses.many_classes.fused import (
    WHOLE,
    ClassLayout,
    MarginRows,
    check_centers,
    highest_of_all,
    own_centers,
    summed,
    target_and_slopes,
)
from vultus.losses.many_classes.negatives import (
    Negatives,
    SharedThreshold,
    inverse_row_norms,
    threshold_backward,
    threshold_sums,
)
from vultus.losses.margins.functional import softplus, unit_rows
from vultus.losses.margins.target_logit import TargetLogit


@dataclass(frozen=True, eq=False)
class ThresholdLoss:
    """softplus(b - s target(c_y)) + w sum_{j != y} softplus(s c_j - b).

    Attributes:
        target_logit: The margin; it leaves the negatives alone and looks at no norms.
        scale: s.
        threshold: b, which gets a gradient, and w.
    """

    target_logit: TargetLogit
    scale: float
    threshold: SharedThreshold


def fused_threshold_losses(
    features: Tensor,
    weight: Tensor,
    labels: Tensor,
    *,
    loss: ThresholdLoss,
    layout: ClassLayout = WHOLE,
) -> MarginRows:
    """UniFace's loss of each row, in tiles over the classes; see `fused_margin_cross_entropy`.

    Args:
        features: (n, d) float32 or float64, not normalised.
        weight: (k, d) class centres of the same dtype, not normalised.
        labels: (n,) int64 classes; a row labelled `IGNORED` has loss 0 and no gradient.
        loss: The formula.
        layout: Which classes the rows of ``weight`` are. Drawn classes count as often as their
            ``log_weights`` say.

    Raises:
        InputError: If shapes or dtypes do not fit.

    Source: Zhou et al., "UniFace", ICCV 2023.
    """
    check_centers(weight, features)
    unit, norms = unit_rows(features)
    rows = labels.long() - layout.start
    losses, cosines, highest = _FusedThreshold.apply(  # type: ignore[no-untyped-call]
        unit, weight, loss.threshold.value, _Problem(rows, loss, layout)
    )
    return MarginRows(losses.masked_fill(labels == IGNORED, 0), cosines, highest, norms)


@dataclass(frozen=True, eq=False)
class _Problem:
    """What the autograd function needs beside tensors; ``rows`` are labels less the start."""

    rows: Tensor
    loss: ThresholdLoss
    layout: ClassLayout

    def negatives(
        self, unit: Tensor, weight: Tensor, inverse: Tensor, cosines: Tensor
    ) -> Negatives:
        layout, target_logit = self.layout, self.loss.target_logit
        scale = unit.new_tensor(self.loss.scale)
        return Negatives(
            unit, weight, inverse, self.rows, cosines, cosines,
            target_logit, scale, layout.log_weights, layout.tile_classes,
        )  # fmt: skip

    def shared(self, value: Tensor) -> SharedThreshold:
        return SharedThreshold(value, self.loss.threshold.negative_weight)


class _FusedThreshold(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, unit: Tensor, weight: Tensor, value: Tensor, problem: _Problem
    ) -> tuple[Tensor, Tensor, Tensor]:
        group = problem.layout.group
        value = value.to(unit.dtype)
        inverse = inverse_row_norms(weight)
        own, centers = own_centers(weight, inverse, problem.rows)
        cosines = summed(torch.linalg.vecdot(unit, centers), group)
        target, by_cos, _ = target_and_slopes(problem.loss.target_logit, cosines, cosines)
        sums, highest = threshold_sums(
            problem.negatives(unit, weight, inverse, cosines), problem.shared(value)
        )
        below = value - problem.loss.scale * target
        losses = softplus(below) + summed(sums, group)
        highest = highest_of_all(highest, group)
        ctx.problem, ctx.own = problem, own
        ctx.save_for_backward(unit, weight, value, inverse, cosines, by_cos, below)
        ctx.mark_non_differentiable(cosines, highest)
        return losses, cosines, highest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        unit, weight, value, inverse, cosines, by_cos, below = ctx.saved_tensors
        problem: _Problem = ctx.problem
        weight_gradient = torch.empty_like(weight) if ctx.needs_input_grad[1] else None
        unit_gradient, threshold_gradient = threshold_backward(
            problem.negatives(unit, weight, inverse, cosines), problem.shared(value), grads[0],
            weight_gradient=weight_gradient,
        )  # fmt: skip
        pull = grads[0] * torch.sigmoid(below)
        _, centers = own_centers(weight, inverse, problem.rows)
        toward = -ctx.own * pull * problem.loss.scale * by_cos
        unit_gradient += toward[:, None] * (centers - cosines[:, None] * unit)
        if weight_gradient is not None:
            rows = problem.rows.clamp(0, len(weight) - 1)
            step = (toward * inverse[rows])[:, None] * (unit - cosines[:, None] * centers)
            weight_gradient.index_add_(0, rows, step)
        group = problem.layout.group
        # The target's part of the threshold's gradient is whole on every process already.
        by_threshold = summed(threshold_gradient, group) + pull.sum()
        return summed(unit_gradient, group), weight_gradient, by_threshold, None
