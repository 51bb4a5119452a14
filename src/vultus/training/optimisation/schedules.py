"""The learning rate over a stage: pure functions of the step, so there is no state to save."""

import math

from vultus.core.checks import check_positive_int
from vultus.training.recipe.stage_config import ScheduleConfig


def lr_factor(schedule: ScheduleConfig, step: int, *, total_steps: int) -> float:
    """What the learning rate is multiplied with at a step.

    During the warm-up the factor rises along a line, (step + 1) / (warmup_steps + 1) times the
    curve's start; then the curve runs over the steps that are left. Milestones count from the
    stage's start, warm-up included.

    Args:
        schedule: The curve.
        step: 0 ... total_steps - 1 (later ones stay at the end's value).
        total_steps: Length of the stage.

    Returns:
        In [0, 1].

    Example:
        >>> step = ScheduleConfig(name="step", milestones=(10, 0.5), gamma=0.1)
        >>> [round(lr_factor(step, i, total_steps=40), 3) for i in (0, 9, 10, 19, 20)]
        [1.0, 1.0, 0.1, 0.1, 0.01]
    """
    check_positive_int("total_steps", total_steps)
    if step < schedule.warmup_steps:
        return (step + 1) / (schedule.warmup_steps + 1)
    if schedule.name == "step":
        passed = sum(step >= _steps(point, total_steps) for point in schedule.milestones)
        return float(schedule.gamma**passed)
    if schedule.name == "exponential":
        start = max(schedule.hold * total_steps, schedule.warmup_steps)
        decay = min(max((step - start) / max(total_steps - start, 1), 0.0), 1.0)
        return float(schedule.final_factor**decay)
    length = max(total_steps - schedule.warmup_steps, 1)
    progress = min((step - schedule.warmup_steps) / length, 1.0)
    curve = 1.0
    if schedule.name == "polynomial":
        curve = (1 - progress) ** schedule.power
    elif schedule.name == "cosine":
        curve = (1 + math.cos(math.pi * progress)) / 2
    return schedule.final_factor + (1 - schedule.final_factor) * curve


def _steps(milestone: int | float, total_steps: int) -> float:
    return milestone * total_steps if isinstance(milestone, float) else milestone
