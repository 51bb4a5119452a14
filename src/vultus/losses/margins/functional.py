"""The formulas that classification losses are made of: pure functions on tensors."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that every torch user knows

from vultus.losses.margins.target_logit import TargetLogit

_NO_DIRECTION = 1e-8  # shorter rows are not normalised: 1 / length would only amplify noise


def unit_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Scale vectors to length 1.

    Args:
        rows: (..., d) float32 or float64.

    Returns:
        Unit vectors of the same shape, and the lengths before (...,). A vector shorter than 1e-8
        has no direction and stays as it is, with a gradient of ordinary size.
    """
    norms = torch.linalg.vector_norm(rows, dim=-1)
    divisor = torch.where(norms > _NO_DIRECTION, norms, torch.ones_like(norms))
    return rows / divisor[..., None], norms


def class_cosines(unit_features: Tensor, unit_weight: Tensor) -> Tensor:
    """Cosine of every feature with every class.

    Args:
        unit_features: (n, d) rows of length 1.
        unit_weight: (C, d) class centres of length 1, or (C, K, d) with K sub-centres a class, of
            which the nearest counts (ties: the gradient goes to one of them).

    Returns:
        (n, C) in [-1, 1] up to rounding.
    """
    if unit_weight.ndim == 2:
        return unit_features @ unit_weight.T
    classes, centers, dim = unit_weight.shape
    flat = unit_features @ unit_weight.reshape(classes * centers, dim).T
    return flat.view(len(unit_features), classes, centers).max(dim=2).values


def target_cosines(unit_features: Tensor, unit_weight: Tensor, labels: Tensor) -> Tensor:
    """Cosine of every feature with its own class, as a dot product of rows.

    Worth its n x d products: a matrix product may run in TF32 or bfloat16, whose 1e-3 is too
    coarse for the arc cosine near 1; a row product never does.

    Returns:
        (n,) cosines.
    """
    own = unit_weight[labels]
    if own.ndim == 2:
        return (unit_features * own).sum(dim=1)
    return (unit_features[:, None] * own).sum(dim=2).max(dim=1).values


def margin_logits(
    cos: Tensor,
    cos_target: Tensor,
    labels: Tensor,
    *,
    target_logit: TargetLogit,
    norms: Tensor | None = None,
) -> Tensor:
    """Put the margin into the column of each row's own class, and let it modulate the others.

    Args:
        cos: (n, C) cosines; not modified.
        cos_target: (n,) cosines of the own class.
        labels: (n,) int64 in [0, C).
        target_logit: The margin.
        norms: (n,) feature lengths, for a target logit that uses them.

    Returns:
        (n, C) logits before scaling.
    """
    margined_target = target_logit(cos_target, norms)
    others = (
        target_logit.negatives(cos, cos_target, margined_target)
        if target_logit.changes_negatives
        else cos
    )
    return others.scatter(1, labels[:, None], margined_target[:, None])


def margin_cross_entropy(
    features: Tensor,
    weight: Tensor,
    labels: Tensor,
    *,
    target_logit: TargetLogit,
    scale: float | Tensor,
) -> Tensor:
    """Softmax cross-entropy over scaled cosines with a margin on the target, batch mean.

    L = -z_y + ln sum_j exp(z_j), with z_y = s target(cos theta_y) and z_j = s cos theta_j.

    Args:
        features: (n, d) float32 or float64, any length.
        weight: (C, d) or (C, K, d) class centres, any length.
        labels: (n,) int64 in [0, C).
        target_logit: The margin.
        scale: s; a number, or a tensor that broadcasts to (n, C).

    Returns:
        0-d loss.

    Example:
        >>> from vultus.losses.margins.target_logit import CosFaceLogit
        >>> x, w = torch.eye(2), torch.eye(2)
        >>> margin = CosFaceLogit(0.35)
        >>> loss = margin_cross_entropy(x, w, torch.arange(2), target_logit=margin, scale=10)
        >>> round(loss.item(), 6)  # ln(1 + exp(-10 * (1 - 0.35)))
        0.001502
    """
    unit, norms = unit_rows(features)
    unit_weight, _ = unit_rows(weight)
    cos = class_cosines(unit, unit_weight)
    own = target_cosines(unit, unit_weight, labels)
    logits = scale * margin_logits(cos, own, labels, target_logit=target_logit, norms=norms)
    return F.cross_entropy(logits, labels)


def softplus(values: Tensor) -> Tensor:
    """ln(1 + e^x), element by element.

    Not the logarithm of a clamped exponential: a clamp has no gradient just where it is needed. Nor
    torch's softplus, whose slope is 1 from 20 on, 2e-9 off.
    """
    return torch.logaddexp(values, torch.zeros_like(values))


def classification_statistics(
    logits: Tensor, labels: Tensor, *, cos_target: Tensor | None, norms: Tensor
) -> dict[str, Tensor]:
    """What to log beside a classification loss.

    Args:
        logits: (n, C) without margin; only their order counts.
        labels: (n,) int64.
        cos_target: (n,) cosines of the own class, or None where there is none.
        norms: (n,) feature lengths.

    Returns:
        ``accuracy`` in [0, 1] (rank 1 on the batch, no margin), ``feature_norm`` (mean), and
        ``target_angle_deg`` (mean, degrees) where ``cos_target`` is given; all detached.
    """
    with torch.no_grad():
        statistics = {
            "accuracy": (logits.argmax(dim=1) == labels).to(norms.dtype).mean(),
            "feature_norm": norms.detach().mean(),
        }
        if cos_target is not None:
            angles = torch.rad2deg(torch.acos(cos_target.detach().clamp(-1, 1)))
            statistics["target_angle_deg"] = angles.mean()
    return statistics
