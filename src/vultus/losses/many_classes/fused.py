"""A margin softmax that never holds the logits of all classes.

`fused_margin_cross_entropy` gives the loss and the gradients of the plain computation (normalise,
multiply, put the margin in, cross-entropy) for any `TargetLogit`, in tiles over the classes. It
needs a few MB beside the weight and its gradient however many classes there are, and it works on
classes that are cut over several processes. The price is one more matrix product: the cosines are
computed again in the backward pass.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.distributed import ProcessGroup

from vultus.core.errors import InputError
from vultus.losses.base import IGNORED, check_features, check_labels
from vultus.losses.many_classes.negatives import (
    Negatives,
    inverse_row_norms,
    negatives_backward,
    negatives_logsumexp,
)
from vultus.losses.margins.functional import unit_rows
from vultus.losses.margins.target_logit import TargetLogit


class MarginRows(NamedTuple):
    """One value a row.

    Attributes:
        losses: (n,) cross-entropies, with a graph.
        cos_target: (n,) cosines with the own class before the margin, detached.
        highest_negative: (n,) largest logit among the other classes, scaled, as
            `TargetLogit.negatives` made it, detached; the lowest finite number if there is none.
        norms: (n,) lengths of the features, with a graph.
    """

    losses: Tensor
    cos_target: Tensor
    highest_negative: Tensor
    norms: Tensor


@dataclass(frozen=True, eq=False)
class ClassLayout:
    """Which classes the rows of a weight are.

    Attributes:
        start: The class of row 0; labels outside [start, start + rows) have their class elsewhere.
        group: The processes that hold the other classes, or None if there are no others. All must
            call with the same features and labels, and all get the same losses and feature
            gradients, those of the undivided computation.
        log_weights: (rows,) added to the classes' logits where they are negatives: ln of how many
            classes a sampled one stands for. None for 0.
        tile_classes: Classes in a tile; None chooses.
    """

    start: int = 0
    group: ProcessGroup | None = None
    log_weights: Tensor | None = None
    tile_classes: int | None = None


WHOLE = ClassLayout()


def fused_margin_cross_entropy(
    features: Tensor,
    weight: Tensor,
    labels: Tensor,
    *,
    target_logit: TargetLogit,
    scale: float | Tensor,
    layout: ClassLayout = WHOLE,
) -> MarginRows:
    """Cross-entropy of s target(cos theta_y) against s cos theta_j, in tiles over the classes.

    Equal to the plain computation up to rounding, gradients for features, weight and scale
    included; only once differentiable. ``target_logit`` must treat each row by itself and hold no
    parameter that wants a gradient; its negatives are differentiated by their cosines only, as the
    contract of `TargetLogit.negatives` says.

    Args:
        features: (n, d) floating, not normalised; half precision is computed in float32.
        weight: (k, d) class centres, not normalised, float32, or float64 with float64 features.
        labels: (n,) int64 classes; a row labelled `IGNORED` has loss 0 and no gradient.
        target_logit: The margin, and what becomes of the negatives.
        scale: s, above 0; a 0-d tensor gets a gradient.
        layout: Which classes the rows of ``weight`` are.

    Returns:
        Losses, target cosines and norms.

    Raises:
        InputError: If shapes, dtypes or labels do not fit, or ``target_logit`` has parameters to
            learn.

    Example:
        >>> from vultus.losses.margins.target_logit import CosFaceLogit
        >>> x, w = torch.eye(3), torch.eye(3)
        >>> rows = fused_margin_cross_entropy(
        ...     x, w, torch.arange(3), target_logit=CosFaceLogit(0.5), scale=10.0
        ... )
        >>> round(rows.losses[0].item(), 5)  # ln(1 + 2 exp(-10 * (1 - 0.5)))
        0.01339

    Source: the generic margin softmax of Deng et al., "ArcFace", arXiv 1801.07698, equation 4; the
    running log-sum-exp is that of Milakov and Gimelshein, arXiv 1805.02867.
    """
    dtype = check_centers(weight, features)
    if layout.group is None and layout.start == 0:
        check_labels(labels, num_labels=len(weight), rows=len(features))
    with torch.autocast(features.device.type, enabled=False):
        precise = features.to(dtype)
        unit, norms = unit_rows(precise)
        scaling = torch.as_tensor(scale, dtype=dtype, device=features.device)
        problem = _Problem(labels.long() - layout.start, target_logit, layout)
        losses, cosines, highest = _FusedMargin.apply(unit, norms, weight, scaling, problem)  # type: ignore[no-untyped-call]
    return MarginRows(losses.masked_fill(labels == IGNORED, 0), cosines, highest, norms)


def check_centers(weight: Tensor, features: Tensor) -> torch.dtype:
    """Check that features and centres fit each other.

    Returns:
        The dtype to compute in.

    Raises:
        InputError: If they do not.
    """
    check_features(features, dim=weight.shape[-1])
    dtype = torch.promote_types(features.dtype, torch.float32)
    if weight.ndim != 2 or weight.dtype != dtype:
        raise InputError(
            f"weight must be {dtype} of shape (classes, d) beside {features.dtype} features, "
            f"got {weight.dtype} of shape {tuple(weight.shape)}"
        )
    return dtype


@torch.no_grad()
def sharded_target_cosines(
    features: Tensor, weight: Tensor, labels: Tensor, *, layout: ClassLayout = WHOLE
) -> Tensor:
    """The cosine of each feature with its own class, wherever that is held; without a gradient.

    For a margin that depends on the batch; costs n x d products.

    Args:
        features: (n, d) float32 or float64.
        weight: (k, d) centres of the same dtype.
        labels: (n,) int64.
        layout: Which classes the rows of ``weight`` are; all processes must call this together.

    Returns:
        (n,) cosines; 0 for `IGNORED` rows.
    """
    rows = labels - layout.start
    own = (rows >= 0) & (rows < len(weight)) & (labels != IGNORED)
    centers, _ = unit_rows(weight[rows.clamp(0, len(weight) - 1)])
    cosines = torch.linalg.vecdot(unit_rows(features)[0], centers)
    return summed(cosines.masked_fill(~own, 0), layout.group)


@dataclass(frozen=True, eq=False)
class _Problem:
    """What the autograd function needs beside tensors; ``rows`` are labels less the start."""

    rows: Tensor
    target_logit: TargetLogit
    layout: ClassLayout


class _FusedMargin(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, unit: Tensor, norms: Tensor, weight: Tensor, scale: Tensor, problem: _Problem
    ) -> tuple[Tensor, Tensor, Tensor]:
        group = problem.layout.group
        inverse = inverse_row_norms(weight)
        own, centers = own_centers(weight, inverse, problem.rows)
        cosines = summed(torch.linalg.vecdot(unit, centers), group)
        margined_target, by_cos, by_norm = target_and_slopes(problem.target_logit, cosines, norms)
        negatives = Negatives(
            unit, weight, inverse, problem.rows, cosines, margined_target,
            problem.target_logit, scale, problem.layout.log_weights, problem.layout.tile_classes,
        )  # fmt: skip
        wanted = any(ctx.needs_input_grad)
        own_highest, own_total, kept = negatives_logsumexp(negatives, keep=wanted)
        highest, total = _joined(own_highest, own_total, group)
        gap = highest + total.log() - scale * margined_target
        # ln(1 + e^gap) keeps the digits that lse - z_y loses once a face is well classified.
        losses = torch.logaddexp(gap, torch.zeros_like(gap))
        ctx.problem, ctx.own = problem, own
        ctx.save_for_backward(
            unit, weight, scale, inverse, cosines, margined_target, by_cos, by_norm, gap, *kept
        )
        ctx.mark_non_differentiable(cosines, highest)
        return losses, cosines, highest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        unit, weight, scale, inverse, cosines, margined_target, by_cos, by_norm, gap = saved[:9]
        layout: ClassLayout = ctx.problem.layout
        negatives = Negatives(
            unit, weight, inverse, ctx.problem.rows, cosines, margined_target,
            ctx.problem.target_logit, scale, layout.log_weights, layout.tile_classes,
        )  # fmt: skip
        lse = scale * margined_target + torch.logaddexp(gap, torch.zeros_like(gap))
        weight_gradient = torch.empty_like(weight) if ctx.needs_input_grad[2] else None
        with torch.autocast(unit.device.type, enabled=False):
            unit_gradient, scale_gradient = negatives_backward(
                negatives, lse, grads[0], kept=saved[9:], weight_gradient=weight_gradient
            )
        by_logit = -grads[0] * torch.sigmoid(gap)  # g (p_y - 1)
        by_target = by_logit * scale
        _, centers = own_centers(weight, inverse, ctx.problem.rows)
        toward = ctx.own * by_target * by_cos
        unit_gradient += toward[:, None] * (centers - cosines[:, None] * unit)
        if weight_gradient is not None:
            rows = ctx.problem.rows.clamp(0, len(weight) - 1)
            step = (toward * inverse[rows])[:, None] * (unit - cosines[:, None] * centers)
            weight_gradient.index_add_(0, rows, step)
        scale_gradient += torch.dot(ctx.own * by_logit, margined_target)
        return (
            summed(unit_gradient, layout.group),
            by_target * by_norm,
            weight_gradient,
            summed(scale_gradient, layout.group),
            None,
        )


def own_centers(weight: Tensor, inverse: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) 1 where the target is among these rows and 0 elsewhere; (n, d) unit centres or 0."""
    own = ((rows >= 0) & (rows < len(weight))).to(weight.dtype)
    inside = rows.clamp(0, len(weight) - 1)
    return own, weight[inside] * (inverse[inside] * own)[:, None]


def target_and_slopes(
    target_logit: TargetLogit, cosines: Tensor, norms: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Target logit of each row, and its derivatives by the row's cosine and norm."""
    with torch.enable_grad():
        cos, length = cosines.detach().requires_grad_(), norms.detach().requires_grad_()
        target = target_logit(cos, length)
        if target_logit(cos.detach(), length.detach()).requires_grad:
            raise InputError(
                f"target_logit must hold no tensor that wants a gradient, got {target_logit}; "
                "the fused computation would lose that gradient: use the plain head, or detach it"
            )
        by_cos, by_norm = torch.autograd.grad(
            target.sum(), (cos, length), allow_unused=True, materialize_grads=True
        )
    return target.detach(), by_cos, by_norm


def summed(values: Tensor, group: ProcessGroup | None) -> Tensor:
    """The sum over all processes, in place."""
    if group is not None:
        dist.all_reduce(values, group=group)
    return values


def _joined(highest: Tensor, total: Tensor, group: ProcessGroup | None) -> tuple[Tensor, Tensor]:
    """The log-sum-exps of all processes put together."""
    if group is None:
        return highest, total
    own = highest.clone()
    highest = highest_of_all(highest, group)
    return highest, summed(total * torch.exp(own - highest), group)


def highest_of_all(values: Tensor, group: ProcessGroup | None) -> Tensor:
    """The highest over all processes, in place."""
    if group is not None:
        dist.all_reduce(values, op=dist.ReduceOp.MAX, group=group)
    return values
