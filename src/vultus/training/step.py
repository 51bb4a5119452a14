"""A step of a stage: gradients of several batches, one move of the weights; or no trace of it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from vultus.data.loading.batch import FaceBatch
from vultus.losses import Loss
from vultus.training.checks.guard import NonFiniteGuard
from vultus.training.objectives.accumulation import batch_weights
from vultus.training.optimisation.gradients import clip_gradients, gradient_norm
from vultus.training.optimisation.schedules import lr_factor
from vultus.training.process.distributed import World
from vultus.training.process.images import normalise, to_device
from vultus.training.process.precision import autocast
from vultus.training.process.rng import random_state, set_random_state
from vultus.training.process.signals import StopRequested, StopSignals
from vultus.training.recipe.recipe import Recipe
from vultus.training.stages import Stage, set_training_mode
from vultus.training.state import TrainState


class StepMaker:
    """Makes the steps of a stage.

    A signal drops a step that is under way as long as no weight has moved: alone, between any two
    layers; as one of several processes, who must agree, between accumulated batches.

    Args:
        recipe: What runs.
        state: Where the run stands, in the stage to step in.
        world: The processes, who make every step together.
        guard: Leaves out steps whose numbers are none.
        stop: The signals.
    """

    def __init__(
        self,
        recipe: Recipe,
        state: TrainState,
        world: World,
        *,
        guard: NonFiniteGuard,
        stop: StopSignals,
    ) -> None:
        self._recipe, self._state, self._world = recipe, state, world
        self._guard, self._stop = guard, stop
        network: Callable[[Tensor], Tensor] = world.wrap(state.backbone)
        self._network = torch.compile(network) if recipe.training.compile else network
        self._before: tuple[dict[str, Any], list[tuple[Loss, int]]] = ({}, [])

    def make(self, batches: Sequence[FaceBatch]) -> dict[str, Tensor | float] | None:
        """One step of the optimisers, from one batch or several.

        Args:
            batches: As many as are accumulated.

        Returns:
            ``loss``, ``gradient_norm``, ``lr`` and the loss's statistics. None if it was dropped:
            then everything is as it was before.
        """
        state, stage = self._state, self._state.stage
        set_training_mode(state.backbone)
        stage.objective.train()
        stage.objective.prepare(state.stage_step)
        factor = lr_factor(stage.config.schedule, state.stage_step, total_steps=stage.total_steps)
        lr = stage.optimizers.set_factor(factor)
        stage.optimizers.zero_grad()
        self._remember()
        try:
            with self._stop.interruptible(self._world.group is None):
                loss, statistics = self._accumulate(batches)
        except StopRequested:
            self._take_back()
            return None
        self._world.average_gradients(stage.objective.replicated())
        norm = unscaled_norm(stage, scaler=state.scaler)
        if self._guard.passes(state.step + 1, norm=norm, scaler=state.scaler):
            clip_norm = self._recipe.training.clip_norm
            apply_gradients(stage, norm=norm, scaler=state.scaler, clip_norm=clip_norm)
            if state.ema is not None:
                state.ema.update()
        return {**statistics, "loss": loss, "gradient_norm": norm, "lr": lr}

    def _accumulate(self, batches: Sequence[FaceBatch]) -> tuple[Tensor, dict[str, Tensor]]:
        """Gradients of the mean loss over the batches; that loss, and the last one's statistics."""
        device, objective = self._world.device, self._state.stage.objective
        total = torch.zeros((), device=device)
        statistics: dict[str, Tensor] = {}
        weights = batch_weights(
            batches, device=device, processes=self._world.size, spans=bool(objective.sharded())
        )
        for number, (batch, weight) in enumerate(zip(batches, weights, strict=True)):
            if number and self._world.any_rank(self._stop.received is not None):
                raise StopRequested
            moved = to_device(batch, device)
            features = self._features(moved.images)
            output = objective.weighted(features, moved, weight)
            self._guard.watch(moved, features, output.loss)
            scaled: Tensor = self._state.scaler.scale(output.loss)
            scaled.backward()  # type: ignore[no-untyped-call]
            total += output.loss.detach()
            statistics = output.statistics
        return total, statistics

    def _features(self, images: Tensor) -> Tensor:
        """(b, dim) float32 of (b, 3, h, w) uint8."""
        training = self._recipe.training
        floats = normalise(images, self._recipe.input, channels_last=training.channels_last)
        with autocast(training.precision, self._world.device):
            return self._network(floats).float()

    def _remember(self) -> None:
        """Note what the forward passes of a step change."""
        self._guard.start_step()
        losses = [m for m in self._state.stage.objective.modules() if isinstance(m, Loss)]
        self._before = random_state(), [(loss, loss.step) for loss in losses]

    def _take_back(self) -> None:
        self._guard.restore()
        random, steps = self._before
        set_random_state(random)
        for loss, step in steps:
            loss.step = step
        self._state.stage.optimizers.zero_grad()


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
