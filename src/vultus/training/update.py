"""From accumulated gradients to moved weights."""

import torch
from torch import Tensor

from vultus.training.gradients import clip_gradients, gradient_norm
from vultus.training.stages import Stage

__all__ = ["apply_gradients", "unscaled_norm"]


def unscaled_norm(stage: Stage, *, scaler: torch.amp.GradScaler) -> Tensor:
    """Undo the loss's scaling in all gradients, and measure them.

    Returns:
        0-d length of all gradients together; not finite if any of them is not.
    """
    for member in stage.optimizers.members:
        scaler.unscale_(member)
    return gradient_norm(stage.optimizers.parameters(), sharded=stage.objective.sharded())


def apply_gradients(
    stage: Stage, *, norm: Tensor, scaler: torch.amp.GradScaler, clip_norm: float | None
) -> None:
    """Clip, and let every optimiser step.

    Args:
        stage: What moves.
        norm: What `unscaled_norm` gave.
        scaler: Of the loss.
        clip_norm: Longest gradient, or None.
    """
    clip_gradients(stage.optimizers.parameters(), norm=norm, max_norm=clip_norm)
    for member in stage.optimizers.members:
        scaler.step(member)
    scaler.update()
