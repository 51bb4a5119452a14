"""Evaluates the network of a run, and keeps the weights that were best."""

from collections.abc import Callable
from contextlib import nullcontext

import torch

from vultus.backbones.base import Backbone
from vultus.training.checks.doctor import evaluation_note
from vultus.training.optimisation.ema import Ema
from vultus.training.process.distributed import World
from vultus.training.recipe.recipe import Recipe
from vultus.training.run.observers import Observers
from vultus.training.run.result import save_backbone
from vultus.training.run.run_folder import RunFolder
from vultus.training.state import TrainState
from vultus.training.validation import (
    CropEmbedder,
    EvaluationResult,
    EvaluationStoppedError,
    open_validations,
)


class Evaluator:
    """Measures on the recipe's sets; the first process works, the others wait.

    Args:
        recipe: Sets, batch size, input.
        folder: Where the best weights go.
        observers: Who is told.
        world: The processes.

    Raises:
        ConfigError: If a set's settings are wrong.
        InputError: If a set's files are missing.
    """

    def __init__(
        self, recipe: Recipe, *, folder: RunFolder, observers: Observers, world: World
    ) -> None:
        self._recipe = recipe
        self._folder = folder
        self._observers = observers
        self._world = world
        self._validations = open_validations(recipe.evaluation.sets)
        self._measured: tuple[int, list[EvaluationResult]] = (-1, [])

    def is_due(self, step: int) -> bool:
        """Whether there is something to measure after this step."""
        every = self._recipe.evaluation.every_steps
        return bool(self._validations) and every is not None and step % every == 0

    def run(
        self, state: TrainState, *, should_stop: Callable[[], bool] = lambda: False
    ) -> list[EvaluationResult]:
        """Measure now; the mean of the weights where there is one, else the weights.

        Args:
            state: Whose weights are measured; its ``best`` is kept up.
            should_stop: Asked before each batch, on the first process.

        Returns:
            One result a set; none if it was stopped. Nothing is measured twice at one step.
        """
        if self._measured[0] == state.step:
            return self._measured[1]
        try:
            results = self._world.on_first(
                lambda: self._measure(state.backbone, state.ema, should_stop)
            )
        except EvaluationStoppedError:
            return []
        self._measured = (state.step, results)
        for result in results:
            self._observers.on_evaluation(state.step, result)
            note = evaluation_note(result.spread)
            if note is not None:
                self._observers.on_note(state.step, note)
        if results and (state.best is None or results[0].accuracy.mean > state.best):
            state.best = results[0].accuracy.mean
            weights = state.backbone.state_dict() if state.ema is None else state.ema.weights()
            self._world.on_first(lambda: save_backbone(weights, self._folder.best))
        return results

    def _measure(
        self, backbone: Backbone, ema: Ema | None, should_stop: Callable[[], bool]
    ) -> list[EvaluationResult]:
        embedder = CropEmbedder(
            backbone,
            input=self._recipe.input,
            config=self._recipe.evaluation,
            device=self._world.device,
            should_stop=should_stop,
        )
        with nullcontext() if ema is None else ema.swapped_in(), torch.inference_mode():
            return [validation.run(embedder) for validation in self._validations]
