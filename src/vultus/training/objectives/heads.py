"""From a stage's sections to what it makes small: losses plain, fused, or over a sample."""

import torch
from torch.distributed import ProcessGroup, get_rank

from vultus.core.errors import ConfigError
from vultus.losses import LOSSES, Loss
from vultus.losses.many_classes.named import many_class_head
from vultus.losses.many_classes.partial_fc import ClassSampling
from vultus.losses.margins.schedules import MarginWarmup
from vultus.mining.miners import MINERS
from vultus.training.objectives.distillation import DistillationObjective
from vultus.training.objectives.mined_loss import MinedLoss
from vultus.training.objectives.objective import LossObjective, Objective
from vultus.training.objectives.teacher import open_teacher
from vultus.training.recipe.config import InputConfig
from vultus.training.recipe.stage_config import HeadConfig, NamedConfig, StageConfig


def build_objective(
    config: StageConfig,
    *,
    num_classes: int,
    dim: int,
    crops: InputConfig = InputConfig(),  # noqa: B008 - immutable
    seed: int = 0,
    group: ProcessGroup | None = None,
) -> Objective:
    """What a stage makes small, on the CPU.

    Args:
        config: The stage.
        num_classes: Number of identities.
        dim: Length of a feature.
        crops: What the student takes; a live teacher must take crops of that size.
        seed: Of Partial FC's and the miner's draws.
        group: The processes of the run.

    Raises:
        VultusError: If a name or setting is wrong, or does not go with another.
    """
    labelled = None
    if config.loss is not None:
        labelled = _labelled_objective(
            config, config.loss, num_classes=num_classes, dim=dim, seed=seed, group=group
        )
    if config.distillation is not None:
        teacher = open_teacher(
            config.distillation, template=crops.template, device=torch.device("cpu")
        )
        if config.distillation.live and crops.size_hw != teacher.size_hw:
            raise ConfigError(
                f"distillation.live needs input.size_hw as the teacher's, {teacher.size_hw}, got "
                f"{crops.size_hw}; leave out live, and the teacher is asked once about whole crops"
            )
        return DistillationObjective(
            config.distillation, dim=dim, teacher_dim=teacher.space.dim, labelled=labelled
        )
    if labelled is None:
        raise ConfigError("a stage needs a loss, a distillation, or both")
    return labelled


def _labelled_objective(
    config: StageConfig,
    loss: NamedConfig,
    *,
    num_classes: int,
    dim: int,
    seed: int,
    group: ProcessGroup | None,
) -> LossObjective:
    first = build_loss(loss, config.head, num_classes=num_classes, dim=dim, seed=seed, group=group)
    if config.miner is not None:
        miner = MINERS.read(config.miner.name, config.miner.settings, source="miner")
        first = MinedLoss(first, miner, seed=seed if group is None else seed + get_rank(group))
    warmup = config.margin_warmup
    ramp = None if warmup is None else MarginWarmup(warmup.steps, warmup.delay)
    second = config.second_loss
    if second is None:
        return LossObjective(first, warmup=ramp)
    added = LOSSES.read(
        second.name, second.settings, source="second_loss", num_classes=num_classes, dim=dim
    )
    return LossObjective(first, second=added, factor=second.factor, warmup=ramp)


def build_loss(
    loss: NamedConfig,
    head: HeadConfig,
    *,
    num_classes: int,
    dim: int,
    seed: int = 0,
    group: ProcessGroup | None = None,
) -> Loss:
    """The loss of a stage, on the CPU, with random centres from torch's generator.

    Args:
        loss: Name and settings.
        head: How it holds its classes.
        num_classes: Number of identities.
        dim: Length of a feature.
        seed: Of Partial FC's draws.
        group: The processes that share the classes of a fused or Partial FC head.

    Raises:
        ConfigError: If the loss has no form for many classes.
    """
    if head.kind == "plain":
        return LOSSES.read(
            loss.name, loss.settings, source="loss", num_classes=num_classes, dim=dim
        )
    sampling = None
    if head.kind == "partial-fc":
        sampling = ClassSampling(rate=head.sample_rate, correct=head.correct, seed=seed)
    return many_class_head(
        loss.name,
        num_classes=num_classes,
        dim=dim,
        settings=loss.settings,
        sampling=sampling,
        group=group if head.sharded else None,
    )
