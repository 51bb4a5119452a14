"""Turns steps into records: means, rates, the time that is left, and the doctor's notes."""

import time
from collections.abc import Mapping, Sequence

from torch import Tensor

from vultus.data.base import FaceDataset
from vultus.data.loading.batch import FaceBatch
from vultus.training.checks.crop_alignment import alignment_notes
from vultus.training.checks.doctor import collapse_note, first_step_notes, settings_notes
from vultus.training.recipe.recipe import Recipe
from vultus.training.run.observers import Observers, StepRecord
from vultus.training.state import TrainState


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


class Meter:
    """Adds up steps until they are asked for.

    Tensors are added on their device, so that a GPU need not be waited for at every step.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = {}
        self._rows = 0
        self._steps = 0
        self._since = time.perf_counter()

    def add(self, values: Mapping[str, Tensor | float], *, rows: int) -> None:
        """Note one step.

        Args:
            values: Numbers or detached 0-d tensors by name.
            rows: Images of it.
        """
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        self._rows += rows
        self._steps += 1

    def pause(self, seconds: float) -> None:
        """Leave time out of the rates, e.g. of an evaluation."""
        self._since += seconds

    def take(self) -> tuple[dict[str, float], float, float]:
        """What there is since the last time, which then begins anew.

        Returns:
            Means by name; images a second; steps a second.
        """
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        passed = max(time.perf_counter() - self._since, 1e-9)
        rates = self._rows / passed, self._steps / passed
        self.__init__()  # type: ignore[misc]
        return means, *rates
