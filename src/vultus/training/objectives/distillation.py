"""Learning from a teacher, alone or beside a loss."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vultus.core.errors import TrainingError
from vultus.data.loading.batch import FaceBatch
from vultus.losses import LossOutput
from vultus.losses.distillation import (
    cosine_distillation,
    l2_distillation,
    relational_distillation,
)
from vultus.training.objectives.accumulation import BatchWeight
from vultus.training.objectives.objective import LossObjective, Objective, StageSetting
from vultus.training.objectives.targets import (
    LiveTargets,
    TargetFolder,
    TargetTable,
    compute_targets,
)
from vultus.training.objectives.teacher import open_teacher
from vultus.training.recipe.stage_config import DistillationConfig

_KINDS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cosine": cosine_distillation,
    "l2": l2_distillation,
    "relational": relational_distillation,
}


class DistillationObjective(Objective):
    """The teacher's embeddings of the clean crops, learnt from the augmented ones.

    A live teacher sees the views that the augmentations marked as shared make of the crops.

    Each term is a mean over the images that could be read, labelled or not; what is learnt from
    labels beside it is a mean over the labelled ones. A student of another dimension than the
    teacher's is projected to it by a matrix that is trained along and left behind with the
    objective (relational terms alone need none).

    Args:
        config: The teacher and the terms.
        dim: Length of the student's feature.
        teacher_dim: Length of the teacher's vector.
        labelled: What is learnt from labels, or None.

    Attributes:
        projection: From student to teacher, or None.
        labelled: As passed.
    """

    def __init__(
        self,
        config: DistillationConfig,
        *,
        dim: int,
        teacher_dim: int,
        labelled: LossObjective | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.labelled = labelled
        compares = any(term.kind != "relational" for term in config.terms)
        self.projection: nn.Linear | None = None
        if compares and dim != teacher_dim:
            self.projection = nn.Linear(dim, teacher_dim, bias=False)
        self._measures_cosine = dim == teacher_dim or compares
        self._targets: TargetTable | LiveTargets | None = None
        self.views = 2 if config.live else 1

    def begin(self, setting: StageSetting) -> bool:
        """Ask the teacher about every image, unless its answers are on disk already.

        A live teacher is only loaded.
        """
        recipe, world = setting.recipe, setting.world
        teacher = open_teacher(self.config, template=recipe.input.template, device=world.device)
        if self.config.live:
            self._targets = LiveTargets(
                teacher,
                setting.dataset,
                device=world.device,
                precision=recipe.training.precision,
                centre=self.config.centre,
            )
            return True
        cache = self.config.cache
        parent = setting.folder / "teacher" if cache is None else Path(cache).expanduser()
        folder = TargetFolder.of(parent, teacher, setting.dataset)
        ready = compute_targets(folder, teacher, setting, batch_size=self.config.batch_size)
        if ready:
            self._targets = TargetTable(folder, centre=self.config.centre)
        return ready

    def prepare(self, step: int) -> None:
        """Set this step's share of the margin."""
        if self.labelled is not None:
            self.labelled.prepare(step)

    def end_warmup(self) -> None:
        """Full margin from now on."""
        if self.labelled is not None:
            self.labelled.end_warmup()

    def forward(self, features: Tensor, batch: FaceBatch) -> LossOutput:
        """All terms, each times its factor, plus what is learnt from labels."""
        one = torch.ones((), device=features.device)
        return self.weighted(features, batch, BatchWeight(one, one))

    def weighted(self, features: Tensor, batch: FaceBatch, weight: BatchWeight) -> LossOutput:
        """The batch's share of a step's loss: labelled and readable rows count by themselves."""
        loss, statistics = self._distilled(features, batch)
        loss = loss * weight.readable
        if self.labelled is None:
            return LossOutput(loss, statistics)
        output = self.labelled.weighted(features, batch, weight)
        parts = {"labelled_loss": output.loss.detach(), "distillation_loss": loss.detach()}
        return LossOutput(loss + output.loss, {**output.statistics, **statistics, **parts})

    def _distilled(self, features: Tensor, batch: FaceBatch) -> tuple[Tensor, dict[str, Tensor]]:
        student, teacher = self._rows(features, batch)
        projected = student if self.projection is None else self.projection(student)
        loss = student.sum() * 0  # a graph, whatever the terms are
        statistics = {}
        for term in self.config.terms:
            rows = student if term.kind == "relational" else projected
            value = _KINDS[term.kind](rows, teacher)
            statistics[f"{term.kind}_distillation"] = value.detach()
            loss = loss + term.factor * value
        if self._measures_cosine:
            with torch.no_grad():
                statistics["teacher_cosine"] = 1 - cosine_distillation(projected, teacher)
        return loss, statistics

    def _rows(self, features: Tensor, batch: FaceBatch) -> tuple[Tensor, Tensor]:
        """Features of the readable images, and the teacher's vectors of the same."""
        if self._targets is None:
            raise TrainingError("a distillation must be told to begin before its first batch")
        if isinstance(self._targets, LiveTargets):
            found, kept = self._targets.rows(batch), batch.readable
        else:
            found, known = self._targets.rows(batch.indices)
            kept = batch.readable_rows() & known.to(features.device)
        found = found.to(features.device, features.dtype)
        return (features, found) if kept is None else (features[kept], found[kept])
