"""The training loop.

Read `Trainer.run`, `Trainer._run_stage` and `StepMaker.make`, in this order; the rest prepares
them.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vultus.backbones.base import Backbone
from vultus.backbones.cpu_layers import use_cpu_layers
from vultus.core.errors import InputError, VultusError
from vultus.data import FaceDataset
from vultus.data.loading.batch import FaceBatch
from vultus.data.loading.spread import spread_crops
from vultus.training.checks.crop_alignment import alignment_notes
from vultus.training.checks.doctor import settings_notes
from vultus.training.checks.guard import NonFiniteGuard
from vultus.training.data_selection import open_faces, select_faces
from vultus.training.evaluator import Evaluator
from vultus.training.finish import RunResult, write_result
from vultus.training.objectives.objective import StageSetting
from vultus.training.offline_mining import endless_batches
from vultus.training.optimisation.ema import Ema
from vultus.training.process.distributed import World
from vultus.training.process.memory import keep_freed_memory
from vultus.training.process.precision import new_scaler
from vultus.training.process.rng import deterministic, seed_all
from vultus.training.process.signals import StopRequested, StopSignals
from vultus.training.recipe.recipe import Recipe
from vultus.training.reporting import StepReporter
from vultus.training.run.checkpoint import CheckpointFolder
from vultus.training.run.observers import Observer, Observers, file_observers
from vultus.training.run.result import build_backbone, load_initial_weights
from vultus.training.run.run_folder import RunFolder
from vultus.training.stages import StageBuilder
from vultus.training.state import TrainState
from vultus.training.step import StepMaker
from vultus.training.validation import EvaluationStoppedError

logger = logging.getLogger(__name__)

_MEASURED = 512
"""Crops that tell how maps are spread where training goes on from an exported file."""


class Trainer:
    """Runs a recipe, in one process or as one of several that do so together.

    Args:
        recipe: What to do.
        dataset: The training faces; None opens what the recipe names.
        world: The processes of the run, whose device is used; None: this one alone, on the
            recipe's device.
        observers: Watch the run, beside its log files.

    Attributes:
        recipe: As passed.
        folder: The run folder.
        world: The processes of the run.
        state: Where the run stands.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        dataset: FaceDataset | None = None,
        world: World | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.recipe = recipe
        world = World.alone(recipe.run.device) if world is None else world
        self.world = world
        self.folder = RunFolder(Path(recipe.run.output).expanduser())
        watching = [*file_observers(self.folder), *observers] if world.is_first else []
        self._observers = Observers(watching)
        self._evaluator = Evaluator(
            recipe, folder=self.folder, observers=self._observers, world=world
        )
        self._checkpoints = CheckpointFolder(self.folder.checkpoints, keep=recipe.checkpoint.keep)
        self._saved_at, self._late = time.monotonic(), False
        self.dataset = select_faces(
            open_faces(recipe.data) if dataset is None else dataset,
            recipe.data,
            least_identities=2 if any(stage.loss is not None for stage in recipe.stages) else 0,
        )
        seed_all(recipe.run.seed)  # the same weights on every process
        backbone = self._backbone()
        self._builder = StageBuilder(recipe, self.dataset, backbone, world)
        self._builder.check()
        self._reporter = StepReporter(
            recipe,
            self._observers,
            total_steps=sum(self._builder.all_steps()),
            processes=world.size,
        )
        stage = self._builder.build(0)
        seed_all(recipe.run.seed, rank=world.rank)
        decay = recipe.training.ema_decay
        self.state = TrainState(
            backbone,
            ema=None if decay is None else Ema(backbone, decay=decay),
            scaler=new_scaler(recipe.training.precision, world.device),
            stage=stage,
        )

    def run(self, *, resume: bool = False) -> RunResult:
        """Train to the end, or until SIGTERM or Ctrl-C: then save, and return.

        Args:
            resume: Go on from the newest checkpoint in the run folder, if there is one.

        Raises:
            ConfigError: If the folder holds a run and ``resume`` is False, or holds another one.
            TrainingError: If the run cannot go on.
        """
        self.world.on_first(lambda: self.folder.begin(self.recipe, resume=resume))
        if resume:
            self._resume()
        self._observers.on_start(self.state.step)
        try:
            with (
                deterministic(self.recipe.run.deterministic),
                keep_freed_memory(self.world.device.type == "cpu"),
                StopSignals() as stop,
            ):
                self._reporter.start(self.state, self.dataset)
                if self._run_stages(stop):
                    summary = self._finish(stop)
                    if summary is not None:
                        return RunResult(self.folder.path, self.state.step, 0, summary)
                code = max(self.world.gather(stop.exit_code))
                return RunResult(self.folder.path, self.state.step, code, {})
        finally:
            self._observers.close()

    def _run_stages(self, stop: StopSignals) -> bool:
        """Whether all were run to their ends."""
        state = self.state
        while self._run_stage(stop):
            if state.stage_number + 1 == len(self.recipe.stages):
                return True
            state.stage_number += 1
            state.stage_step = 0
            state.stage = self._builder.build(state.stage_number, before=state.stage)
        return False

    def _run_stage(self, stop: StopSignals) -> bool:
        """Whether it was run to its end; if not, the state is saved."""
        state, stage = self.state, self.state.stage
        setting = self._setting(stop)
        if not stage.objective.begin(setting):
            self.save()
            return False
        maker = self._step_maker(stop)
        self._reporter.start_stage(state)
        batches = endless_batches(stage.loader, state.backbone, setting=setting)
        while state.stage_step < stage.total_steps:
            place = stage.loader.epoch, stage.loader.position
            fetched = self._fetch(batches, stop)
            numbers = None if fetched is None else maker.make(fetched)
            if fetched is None or numbers is None:
                stage.loader.epoch, stage.loader.position = place
                self.save()
                return False
            state.step += 1
            state.stage_step += 1
            self._reporter.step(state, numbers, batches=fetched)
            started = time.perf_counter()
            if self._evaluator.is_due(state.step) and not self._is_stopping(stop):
                self._evaluator.run(state, should_stop=lambda: stop.received is not None)
            if self._save_is_due():
                self.save()
            self._reporter.meter.pause(time.perf_counter() - started)
        return True

    def _step_maker(self, stop: StopSignals) -> StepMaker:
        state = self.state
        guard = NonFiniteGuard(
            [state.backbone, state.stage.objective],
            folder=self.folder.skipped,
            max_in_a_row=self.recipe.training.max_skipped,
            identities=self.dataset.identities,
            world=self.world,
        )
        return StepMaker(self.recipe, state, self.world, guard=guard, stop=stop)

    def _fetch(self, batches: Iterator[FaceBatch], stop: StopSignals) -> list[FaceBatch] | None:
        """The batches of a step, or None on every process if one of them was stopped.

        Raises:
            VultusError: On every process, if one of them could not get its batches.
        """
        fetched: list[FaceBatch] | None = None
        failure: VultusError | None = None
        try:
            fetched = [next(batches) for _ in range(self.recipe.training.accumulate)]
        except (StopRequested, EvaluationStoppedError):
            pass
        except VultusError as error:
            failure = error
        stopped = stop.received is not None or (fetched is None and failure is None)
        flags = torch.tensor([failure is not None, stopped, self._is_late()])
        failed, stopped, self._late = self.world.any_of(flags)
        if failed:
            self.world.raise_together(failure)
        return None if stopped else fetched

    def _setting(self, stop: StopSignals) -> StageSetting:
        return StageSetting(
            self.recipe,
            self.dataset,
            self.folder.path,
            self.world,
            note=lambda text: self._observers.on_note(self.state.step, text),
            should_stop=lambda: stop.received is not None,
            interruptibly=stop.interruptibly,
        )

    def _is_stopping(self, stop: StopSignals) -> bool:
        return self.world.any_rank(stop.received is not None)

    def _is_late(self) -> bool:
        """Whether it is time for a checkpoint, by this process's clock."""
        minutes = self.recipe.checkpoint.every_minutes
        return minutes is not None and time.monotonic() - self._saved_at > 60 * minutes

    def _save_is_due(self) -> bool:
        """The same on all processes, who agreed on what is late when they fetched."""
        every = self.recipe.checkpoint.every_steps
        return self._late or (every is not None and self.state.step % every == 0)

    def save(self) -> None:
        """Write a checkpoint now; all processes call it together."""
        state = self.state.state_dict(self.world)
        self.world.on_first(lambda: self._checkpoints.save(state, step=self.state.step))
        self._saved_at, self._late = time.monotonic(), False

    def _resume(self) -> None:
        newest = self.world.on_first(self._newest_step)
        if newest is None:
            return
        saved = self._checkpoints.load(newest).state
        self.state.stage = self._builder.build(int(saved["stage"]))
        self.state.load_state_dict(saved, self.world)
        logger.info("going on at step %d", self.state.step)

    def _newest_step(self) -> int | None:
        checkpoint = self._checkpoints.latest()
        return None if checkpoint is None else checkpoint.step

    def _backbone(self) -> Backbone:
        backbone = build_backbone(self.recipe)
        load_initial_weights(backbone, self.recipe, crops=self._some_crops)
        last = self.recipe.training.channels_last
        layout = torch.channels_last if last else torch.contiguous_format
        if self.world.device.type == "cpu" and not self.recipe.training.compile:
            use_cpu_layers(backbone)
        return backbone.to(self.world.device, memory_format=layout)  # type: ignore[call-overload, no-any-return]

    def _some_crops(self) -> Tensor:
        """(n, 3, h, w) uint8 of the training faces, evenly spread over them."""
        found = [*spread_crops(self.dataset, self.recipe.input.size_hw, most=_MEASURED)]
        if not found:
            raise InputError("none of the training images that were tried can be read")
        return torch.cat(found)

    def facts(self) -> dict[str, Any]:
        """What is trained on what, fit for JSON."""
        return {
            "images": len(self.dataset),
            "identities": len(self.dataset.identities),
            "parameters": sum(p.numel() for p in self.state.backbone.parameters()),
            "processes": self.world.size,
            "device": str(self.world.device),
            "steps": self._builder.all_steps(),
        }

    def notes(self) -> list[str]:
        """What can be said before the first step, of settings and of crops."""
        before = settings_notes(self.state.stage.objective)
        return [*before, *alignment_notes(self.recipe, self.dataset)]

    def _finish(self, stop: StopSignals) -> dict[str, Any] | None:
        """Evaluate and write the result; None if stopped meanwhile (the state is saved)."""
        self.save()
        results = self._evaluator.run(self.state, should_stop=lambda: stop.received is not None)
        if self._is_stopping(stop):
            return None
        summary = {
            **self.facts(),
            "unreadable": len(self.state.stage.loader.unreadable),
            "best_accuracy": self.state.best,
            "evaluation": [result.to_dict() for result in results],
            "expected": self.recipe.about.expected,
        }
        title = self.recipe.about.title
        self.world.on_first(
            lambda: write_result(self.folder, self.state, summary=summary, title=title)
        )
        return summary
