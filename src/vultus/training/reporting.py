"""Turns steps into records: means, rates, the time that is left, and the doctor's notes."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from vultus.data.base import FaceDataset
from vultus.data.loader import FaceBatch
from vultus.training.crop_alignment import alignment_notes
from vultus.training.doctor import collapse_note, first_step_notes, settings_notes
from vultus.training.meter import Meter
from vultus.training.observers import Observers, StepRecord
from vultus.training.recipe import Recipe
from vultus.training.state import TrainState

__all__ = ["StepReporter"]


class StepReporter:
    """Tells observers how the steps go.

    Loss and statistics are the first process's share; images a second are all processes'.

    Args:
        recipe: What runs.
        total_steps: Of all stages.
        observers: Who is told.
        processes: How many there are.
    """

    def __init__(
        self, recipe: Recipe, observers: Observers, *, total_steps: int, processes: int
    ) -> None:
        self._recipe = recipe
        self._observers = observers
        self._total_steps = total_steps
        self._processes = processes
        self.meter = Meter()

    def start(self, state: TrainState, dataset: FaceDataset) -> None:
        """Say how the crops are aligned, once a run; only where someone is told."""
        if state.step == 0 and self._observers.members:
            for note in alignment_notes(self._recipe, dataset):
                self._observers.on_note(state.step, note)

    def start_stage(self, state: TrainState) -> None:
        """Begin to count anew; say what can be said before the first step."""
        self.meter = Meter()
        for note in settings_notes(state.stage.objective):
            self._observers.on_note(state.step, note)

    def step(
        self,
        state: TrainState,
        values: Mapping[str, Tensor | float],
        *,
        batches: Sequence[FaceBatch],
    ) -> None:
        """One step was made.

        Args:
            state: Behind the step.
            values: ``loss``, ``gradient_norm``, ``lr`` and what else is worth a line.
            batches: Of the step.
        """
        rows = sum(len(batch.labels) for batch in batches) * self._processes
        self.meter.add(values, rows=rows)
        at_an_end = state.step in (1, self._total_steps)
        if at_an_end or state.step % self._recipe.run.log_every_steps == 0:
            self._record(state)

    def _record(self, state: TrainState) -> None:
        stage = state.stage
        means, images_per_s, steps_per_s = self.meter.take()
        total = self._total_steps
        record = StepRecord(
            step=state.step,
            total_steps=total,
            stage=stage.config.name,
            epoch=stage.loader.epoch + stage.loader.position / len(stage.loader),
            loss=means.pop("loss"),
            lr=means.pop("lr"),
            gradient_norm=means.pop("gradient_norm"),
            images_per_s=images_per_s,
            eta_s=(total - state.step) / steps_per_s,
            statistics=means,
        )
        self._observers.on_step(record)
        notes = [collapse_note(stage.objective, record.loss)]
        if state.step == 1:
            fresh = self._recipe.initial.weights is None
            notes += first_step_notes(stage.objective, record.loss, fresh=fresh)
        for note in notes:
            if note is not None:
                self._observers.on_note(state.step, note)
