"""What a training's first numbers should be, and what it looks like when something is wrong."""

import math

import torch
from torch import nn

from vultus.core.errors import ConfigError
from vultus.losses.margins.bounds import cosface_minimum_scale
from vultus.losses.margins.margin_softmax import MarginHead
from vultus.losses.pairwise.triplet import Triplet
from vultus.training.objectives.distillation import DistillationObjective
from vultus.training.objectives.mined_loss import MinedLoss
from vultus.training.objectives.objective import LossObjective, Objective

_CAPS = {69.0776: "-ln 1e-30", 87.3365: "-ln of the smallest float32"}


def settings_notes(objective: Objective) -> list[str]:
    """What can be said before the first step: scales that are too small for the classes."""
    if isinstance(objective, DistillationObjective):
        return [] if objective.labelled is None else settings_notes(objective.labelled)
    loss = objective.first if isinstance(objective, LossObjective) else None
    scale = loss.fixed_scale if isinstance(loss, MarginHead) else None
    if loss is None or scale is None or loss.num_classes < 2:
        return []
    least = cosface_minimum_scale(loss.num_classes, probability=0.9)
    if scale >= least:
        return []
    return [
        f"warning: scale {scale:g} is below {least:.1f}, from which on {loss.num_classes} "
        "classes can be told apart with probability 0.9; the loss cannot become small"
    ]


def check_single_image(backbone: nn.Module, image: torch.Tensor, *, setting: str) -> None:
    """Refuse batches of one image where the network normalises each channel over the batch.

    One value has no spread; torch would say so in its own words in the first step that meets it.

    Args:
        backbone: The network; neither its weights nor its statistics change.
        image: (1, 3, h, w) float32 on its device.
        setting: What gave the batch of one, in words.

    Raises:
        ConfigError: If a layer would normalise one value.
    """
    alone: list[str] = []
    layers = [
        (name, module)
        for name, module in backbone.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and (any(p.requires_grad for p in module.parameters()) or not module.affine)
    ]
    hooks = [
        module.register_forward_pre_hook(
            lambda _, inputs, name=name: (
                alone.append(name) if inputs[0][0, 0].numel() == 1 else None
            )
        )
        for name, module in layers
    ]
    trained = backbone.training
    try:
        with torch.no_grad():
            backbone.eval()(image)
    finally:
        backbone.train(trained)
        for hook in hooks:
            hook.remove()
    if alone:
        raise ConfigError(
            f"sampler: batches must have two images or more, because the backbone's {alone[0]!r} "
            f"normalises each channel over the batch; {setting} would give some of one: make it "
            "larger (with training.accumulate small batches make a large one)"
        )


def first_step_notes(objective: Objective, loss: float, *, fresh: bool) -> list[str]:
    """What the first loss tells.

    Args:
        objective: What gave it.
        loss: Its value.
        fresh: Whether the network and the classes are at their random start.
    """
    for cap, meaning in _CAPS.items():
        if abs(loss - cap) < 1e-3:
            return [f"warning: the loss is {loss:.4f}, which is {meaning}: a cap, not a loss"]
    expected = objective.expected_first_loss() if fresh else None
    if expected is None:
        return [f"loss of the first step: {loss:.2f}"]
    text = f"loss of the first step: {loss:.2f}, expected {expected:.2f} of random weights"
    if abs(loss - expected) > max(1.0, 0.1 * expected):
        text = f"warning: {text}: look at labels, scale and margin"
    return [text]


def evaluation_note(spread: float) -> str | None:
    """A warning where all embeddings are the same, which no accuracy of 0.5 says by itself."""
    if spread >= 1e-3 and math.isfinite(spread):
        return None
    return (
        f"warning: all embeddings are the same (mean distance from their mean {spread:.1e}): the "
        "network has collapsed; lower the learning rate, or mine less hard"
    )


def collapse_note(objective: Objective, loss: float) -> str | None:
    """A warning where a triplet loss sits at the value of a collapsed network."""
    first = objective.first if isinstance(objective, LossObjective) else None
    if isinstance(first, MinedLoss):
        first = first.inner
    if not isinstance(first, Triplet):
        return None
    collapsed = math.log(2) if first.margin_distance == "soft" else float(first.margin_distance)
    if abs(loss - collapsed) > 1e-3 * max(collapsed, 1e-3):
        return None
    return (
        f"warning: the triplet loss is {loss:.4f}, its value where all features are the same: the "
        "network has collapsed; use semi-hard mining or a lower learning rate"
    )
