"""Heads for many classes by the name of a registered loss."""

from collections.abc import Mapping
from typing import Any

from torch.distributed import ProcessGroup

from vultus.core.errors import ConfigError
from vultus.losses.base import LOSSES
from vultus.losses.many_classes.fused_head import FusedMarginSoftmax
from vultus.losses.many_classes.partial_fc import ClassSampling, PartialFC
from vultus.losses.margins.margin_softmax import MarginSoftmax


def many_class_head(
    name: str,
    *,
    num_classes: int,
    dim: int,
    settings: Mapping[str, Any] | None = None,
    sampling: ClassSampling | None = None,
    group: ProcessGroup | None = None,
) -> FusedMarginSoftmax:
    """A registered loss as a head for many classes: fused, sampled (Partial FC), sharded.

    Args:
        name: Of a loss with one margin for all faces (arcface, cosface, combined, normface, coco,
            circle, mv-softmax) or a margin that follows the batch (adaface, curricularface,
            elasticface, magface, uniface).
        num_classes: Number of identities over all processes.
        dim: Length of a feature.
        settings: Of the loss; the defaults where left out.
        sampling: Look at a sample of the classes a step (`PartialFC`); None looks at all.
        group: Processes that share the classes.

    Raises:
        ConfigError: If a name or setting is wrong, or the loss has no such form.

    Example:
        >>> import torch
        >>> sample = ClassSampling(rate=0.1)
        >>> head = many_class_head("adaface", num_classes=1000, dim=8, sampling=sample)
        >>> head(torch.ones(4, 8), torch.arange(4)).loss.backward()
        >>> head.weight.grad.coalesce().indices().shape[1], float(head.rule.norm_mean) < 20
        (100, True)
    """
    loss = LOSSES.read(name, settings or {}, source="loss", num_classes=8, dim=8)
    scale = loss.fixed_scale if isinstance(loss, MarginSoftmax) else None
    if not isinstance(loss, MarginSoftmax) or scale is None or loss.weight.ndim != 2:
        raise _without_form(name)
    fixed = loss.fixed_margin()
    if fixed is None and not loss.follows_batch:
        raise _without_form(name)
    target_logit = loss.target_logit if fixed is None else fixed[0]
    if sampling is None:
        head = FusedMarginSoftmax(
            num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale, group=group
        )
    else:
        head = PartialFC(
            num_classes=num_classes, dim=dim, target_logit=target_logit, scale=scale,
            sampling=sampling, group=group,
        )  # fmt: skip
    if fixed is None:
        head.follow(loss)
    return head


def _without_form(name: str) -> ConfigError:
    return ConfigError(
        f"head.kind must be 'plain' for the loss {name!r}: only losses with one centre a class and "
        "one scale have a form for many classes (arcface, cosface, combined, normface, coco, "
        "circle, mv-softmax, adaface, curricularface, elasticface, magface, uniface)"
    )
