"""Train a network on a folder of living faces and attacks; a run that was stopped goes on."""

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812

from vultus.core.errors import ConfigError
from vultus.core.files import make_private_folder, write_text
from vultus.core.progress import Progress, tracked
from vultus.pipeline.photos import ErrorHandler
from vultus.training.liveness.batches import batches, batches_in_epoch
from vultus.training.liveness.network import LivenessNetwork, scaled
from vultus.training.liveness.prepared import PreparedPhotos, prepare_photos
from vultus.training.liveness.recipe import LivenessRecipe, load_liveness_recipe
from vultus.training.run.state_file import read_state, write_state
from vultus.training.run.state_tree import State

logger = logging.getLogger(__name__)

_WARM_UP = 0.1
"""Share of the steps in which the rate rises."""


@dataclass(frozen=True, slots=True)
class LivenessRun:
    """Paths inside a run folder.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The recipe with every default written out; a recipe file itself."""
        return self.path / "config.toml"

    @property
    def state(self) -> Path:
        """Weights and optimiser after the last whole epoch."""
        return self.path / "state.safetensors"

    @property
    def log(self) -> Path:
        """One JSON object an epoch."""
        return self.path / "log.jsonl"

    @property
    def summary(self) -> Path:
        """What came out, as JSON; written at export."""
        return self.path / "summary.json"


def train_liveness(
    recipe: LivenessRecipe,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    on_error: ErrorHandler | None = None,
) -> LivenessRun:
    """Train a network; `vultus.export.liveness.export_liveness` makes a model file of the run.

    The state is kept after each epoch. A run that goes on ends with the very weights of one that
    was not stopped (on the same machine, by the CPU).

    Args:
        recipe: What of, and how.
        resume: Go on with the run in the run folder, if there is one.
        progress: Told how far it is.
        on_error: Told of photos that cannot be used.

    Raises:
        ConfigError: If the folder holds a run and ``resume`` is not given, or one of another
            recipe or of other photos.
        InputError: If the photos cannot be trained on; see `vultus.training.liveness.prepared`.
        CheckpointError: If the state cannot be read or written.
    """
    run = LivenessRun(Path(recipe.run.output).expanduser())
    _check_folder(run, recipe, resume=resume)
    make_private_folder(run.path)
    prepared = prepare_photos(recipe, run.path, progress=progress, on_error=on_error)
    write_text(run.config, recipe.to_toml())
    device = _device(recipe.run.device)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.run.seed)
        network = LivenessNetwork(recipe.network, size_px=recipe.crop.size_px).to(device)
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=recipe.fit.learning_rate,
            weight_decay=recipe.fit.weight_decay,
        )
        done = _resumed(run, network, optimizer, prepared)
        for epoch in tracked(
            range(done, recipe.fit.epochs),
            f"training, {recipe.fit.epochs} epochs",
            total=recipe.fit.epochs - done,
            progress=progress,
        ):
            started = time.monotonic()
            loss = _train_epoch(network, optimizer, prepared, recipe, epoch=epoch)
            write_state(run.state, _state(network, optimizer, prepared, epoch + 1))
            _log(run, {"epoch": epoch + 1, "loss": loss, "s": time.monotonic() - started})
    return run


def trained_network(run: LivenessRun, prepared: PreparedPhotos) -> tuple[LivenessNetwork, int]:
    """The network of a run as it is after its last whole epoch, and how many there were.

    Args:
        run: What `train_liveness` gave.
        prepared: The photos of its recipe.

    Raises:
        ConfigError: If the run has no weights, or they are of other photos.
    """
    recipe = load_liveness_recipe(str(run.config))
    if not run.state.is_file():
        raise ConfigError(f"{run.path} has no trained weights yet; train at least one epoch")
    state = read_state(run.state)
    _check_photos(run, state, prepared)
    network = LivenessNetwork(recipe.network, size_px=recipe.crop.size_px)
    network.load_state_dict(state["network"])
    return network.eval(), int(state["epochs"])


def _check_folder(run: LivenessRun, recipe: LivenessRecipe, *, resume: bool) -> None:
    if not run.state.is_file():
        return
    if not resume:
        raise ConfigError(
            f"{run.path} holds a run; go on with it by --resume, or give another run.output"
        )
    before = load_liveness_recipe(str(run.config))
    if _binding(before) != _binding(recipe):
        raise ConfigError(
            f"{run.path} holds a run of another recipe ({run.config}); give that one, or another "
            "run.output"
        )


def _binding(recipe: LivenessRecipe) -> tuple[Any, ...]:
    """What must not change when a run goes on; how the threshold is set and where, may."""
    data = recipe.data
    split = (data.split, data.setting, data.held_out)
    rest = (recipe.crop, recipe.network, recipe.imitation, recipe.augment, recipe.fit)
    return (*rest, split, recipe.run.seed)


def _check_photos(run: LivenessRun, state: State, prepared: PreparedPhotos) -> None:
    if state["photos"] != prepared.digest:
        raise ConfigError(
            f"the photos are not those that the run in {run.path} began with: some were added, "
            "removed or changed, and who trains and who checks would be mixed up; put them back, "
            "or begin anew with another run.output"
        )


def _resumed(
    run: LivenessRun,
    network: LivenessNetwork,
    optimizer: torch.optim.Optimizer,
    prepared: PreparedPhotos,
) -> int:
    """How many epochs are done, their state taken over."""
    if not run.state.is_file():
        run.log.unlink(missing_ok=True)
        return 0
    state = read_state(run.state)
    _check_photos(run, state, prepared)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["epochs"])


def _state(
    network: LivenessNetwork,
    optimizer: torch.optim.Optimizer,
    prepared: PreparedPhotos,
    epochs: int,
) -> State:
    return {
        "network": dict(network.state_dict()),
        "optimizer": optimizer.state_dict(),
        "photos": prepared.digest,
        "epochs": epochs,
    }


def _train_epoch(
    network: LivenessNetwork,
    optimizer: torch.optim.Optimizer,
    prepared: PreparedPhotos,
    recipe: LivenessRecipe,
    *,
    epoch: int,
) -> float:
    """Mean loss of an epoch."""
    device = next(network.parameters()).device
    # Dropout draws from it: an epoch must not hang on what went before.
    torch.manual_seed(recipe.run.seed * 100_003 + epoch + 1)
    steps = batches_in_epoch(prepared, recipe)
    network.train()
    total = 0.0
    for step, (crops, classes) in enumerate(batches(prepared, recipe, epoch=epoch)):
        done = (epoch * steps + step) / (recipe.fit.epochs * steps)
        for group in optimizer.param_groups:
            group["lr"] = recipe.fit.learning_rate * _rate(done)
        scores = network(scaled(torch.from_numpy(crops).to(device)))
        loss = F.cross_entropy(
            scores,
            torch.from_numpy(classes).to(device),
            label_smoothing=recipe.fit.label_smoothing,
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(loss.detach())
    return total / steps


def _rate(done: float) -> float:
    """The rate's share of the highest: up in a line, down in half a cosine."""
    if done < _WARM_UP:
        return done / _WARM_UP + 1e-3
    return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


def _log(run: LivenessRun, values: Mapping[str, Any]) -> None:
    with open(run.log, "a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")
    logger.info("epoch %s: loss %.4f", values["epoch"], values["loss"])


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("run.device=cuda takes a GPU that torch can use, there is none; give cpu")
    return torch.device(wanted)
