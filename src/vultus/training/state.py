"""Everything that a run needs to go on as if it had never stopped."""

from collections.abc import Mapping
from typing import Any

import torch

from vultus.backbones.base import Backbone
from vultus.core.errors import CheckpointError, ConfigError
from vultus.data.loading.batch_loader import BatchLoader
from vultus.training.optimisation.ema import Ema
from vultus.training.process.distributed import World
from vultus.training.process.rng import random_state, set_random_state
from vultus.training.stages import Stage

_FORMAT = 1


class TrainState:
    """Where a run stands.

    Attributes:
        backbone: The network.
        ema: The mean of its weights, or None.
        scaler: Loss scaling; passes everything through unless the precision is fp16.
        stage: The current stage.
        stage_number: Its place in the recipe.
        stage_step: Steps made in it.
        step: Steps made in all.
        best: Highest accuracy so far, or None.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        ema: Ema | None,
        scaler: torch.amp.GradScaler,
        stage: Stage,
    ) -> None:
        self.backbone = backbone
        self.ema = ema
        self.scaler = scaler
        self.stage = stage
        self.stage_number = 0
        self.stage_step = 0
        self.step = 0
        self.best: float | None = None

    def state_dict(self, world: World) -> dict[str, Any]:
        """Nested dicts and lists of tensors and JSON values; all processes call it together."""
        stage = self.stage
        return {
            "format": _FORMAT,
            "step": self.step,
            "stage": self.stage_number,
            "stage_step": self.stage_step,
            "best": self.best,
            "backbone": self.backbone.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "objective": stage.objective.full_state(stage.optimizers.members),
            "optimizers": stage.optimizers.state_dict(without=stage.objective.sharded()),
            "scaler": self.scaler.state_dict(),
            "loader": {**stage.loader.state_dict(), "batches": len(stage.loader)},
            "random": world.gather(random_state()),
        }

    def load_state_dict(self, state: Mapping[str, Any], world: World) -> None:
        """Take what `state_dict` gave; ``stage`` must be the one that it was saved in.

        With another number of processes, random draws go on from new seeds, and where batches
        depend on that number, the epoch goes on at the same fraction with batches dealt anew.

        Raises:
            CheckpointError: If it was written by another version, or is of another network.
            ConfigError: If it is of another loss, optimiser or data set.
        """
        if state.get("format") != _FORMAT:
            raise CheckpointError(
                f"a checkpoint's format must be {_FORMAT}, got {state.get('format')!r}; "
                "it was written by another version"
            )
        self.step = int(state["step"])
        self.stage_number = int(state["stage"])
        self.stage_step = int(state["stage_step"])
        self.best = state["best"]
        try:
            self.backbone.load_state_dict(state["backbone"])
        except RuntimeError as error:
            raise CheckpointError(f"the checkpoint is of another backbone: {error}") from None
        if (self.ema is None) != (state["ema"] is None):
            raise ConfigError("training.ema_decay must be as in the run that is to go on")
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        stage = self.stage
        stage.optimizers.load_state_dict(state["optimizers"])
        stage.objective.load_full_state(state["objective"], stage.optimizers.members)
        self.scaler.load_state_dict(dict(state["scaler"]))
        _restore_position(stage.loader, state["loader"])
        if len(state["random"]) == world.size:
            set_random_state(state["random"][world.rank])


def _restore_position(loader: BatchLoader, state: Mapping[str, Any]) -> None:
    sampler = loader.sampler
    same = state["world_size"] == sampler.share.world_size
    if same or sampler.resumes_with_other_world_size:
        loader.load_state_dict({key: state[key] for key in state if key != "batches"})
        return
    # The epoch's batches are others now: go on where the same share of it is done.
    done = state["position"] / max(state["batches"], 1)
    loader.start(state["epoch"], round(done * len(loader)))
