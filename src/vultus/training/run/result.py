"""What a run leaves behind: weights that others load, a summary, a picture."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vultus.backbones import BACKBONES
from vultus.backbones.base import Backbone
from vultus.core.choices import Weights
from vultus.core.errors import ConfigError
from vultus.core.files import appearing, write_text
from vultus.core.text import json_text
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe
from vultus.training.run.checkpoint import CheckpointFolder
from vultus.training.run.exported_weights import exported_state, is_exported
from vultus.training.run.run_folder import RunFolder

logger = logging.getLogger(__name__)


def build_backbone(recipe: Recipe) -> Backbone:
    """The recipe's network with random weights from torch's generator.

    Raises:
        RegistryError: If there is no such backbone.
        ConfigError: If a setting of it is unknown or wrong.
    """
    name, settings = recipe.backbone.name, recipe.backbone.settings
    return BACKBONES.read(name, settings, source="backbone", input_hw=recipe.input.size_hw)


@dataclass(frozen=True, eq=False)
class RunWeights:
    """Weights of a run, complete or stopped.

    Attributes:
        file: Where they are from.
        state: By name of parameter or buffer.
        mean: Whether they are the running mean.
        step: Steps made so far, where the run is not complete; else None.
    """

    file: Path
    state: Mapping[str, Tensor]
    mean: bool
    step: int | None

    @property
    def words(self) -> str:
        """Which weights these are."""
        if self.step is None:
            return self.file.stem
        return f"{'mean' if self.mean else 'last'} of step {self.step}, where the run was stopped"


def read_weights(folder: RunFolder, weights: Weights = "auto") -> RunWeights:
    """The weights of a run; of a stopped one those of its newest checkpoint, with a warning.

    Args:
        folder: What ``vultus train`` wrote.
        weights: Which of them.

    Raises:
        ConfigError: If it is no run folder, or has neither such a file nor a checkpoint.
        CheckpointError: If all checkpoints are damaged.
    """
    if not folder.config.is_file():
        raise ConfigError(f"{folder.path} is no run folder: it has no {folder.config.name}")
    complete = folder.backbone.is_file() or weights == "best"
    newest = None if complete else CheckpointFolder(folder.checkpoints).latest()
    if newest is None:
        file = weights_file(folder, weights)
        return RunWeights(file, _read(file), file == folder.ema, None)
    means = newest.state["ema"]
    if weights == "ema" and means is None:
        raise ConfigError(
            f"{folder.path} keeps no mean of the weights (training.ema_decay); take --weights last"
        )
    mean = means is not None and weights != "last"
    state = means["means"] if mean else newest.state["backbone"]
    found = RunWeights(newest.path, state, mean, newest.step)
    logger.warning(
        "%s is not complete: its weights are taken from %s (%s weights of step %d); go on with "
        "`vultus train ... --resume`",
        folder.path, newest.path.name, "mean" if mean else "last", newest.step,
    )  # fmt: skip
    return found


def load_backbone(run_folder: str | Path, *, weights: Weights = "auto") -> Backbone:
    """A trained network, in evaluation mode, on the CPU.

    Args:
        run_folder: What ``vultus train`` wrote; of a run that was stopped, the newest checkpoint is
            taken, with a warning.
        weights: Which of its weights.

    Raises:
        ConfigError: If the folder holds no such run or weights.
    """
    folder = RunFolder(Path(run_folder))
    return with_weights(folder, read_weights(folder, weights))


def with_weights(folder: RunFolder, weights: RunWeights) -> Backbone:
    """The network of a run with its weights, in evaluation mode, on the CPU.

    Raises:
        ConfigError: If they do not fit.
    """
    backbone = build_backbone(load_recipe(str(folder.config)))
    try:
        backbone.load_state_dict(weights.state)
    except RuntimeError as error:
        raise ConfigError(f"{weights.file} does not fit the recipe beside it: {error}") from None
    return backbone.eval()


def save_backbone(state: Mapping[str, Tensor], path: Path) -> None:
    """Write weights to a file that appears only when it is complete."""
    with appearing(path, replace=True, private=True) as part:
        save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, part)


def load_initial_weights(
    backbone: nn.Module, recipe: Recipe, *, crops: Callable[[], Tensor]
) -> None:
    """Copy the recipe's ``[initial]`` weights into a network.

    Args:
        backbone: The network.
        recipe: Says where the weights are, and which parameters are to stay as they are.
        crops: Gives some (n, 3, h, w) uint8 RGB of the recipe's size; asked for where the weights
            are those of an exported file.

    Raises:
        ConfigError: If the file cannot be read, a weight is missing or superfluous, or is of
            another shape.
    """
    config = recipe.initial
    if config.weights is None:
        return
    path = Path(config.weights).expanduser()
    read: Mapping[str, Tensor]
    if is_exported(config.weights):
        read = exported_state(backbone, config.weights, crops(), recipe.input)
    else:
        read = read_weights(RunFolder(path)).state if path.is_dir() else _read(path)
    loaded = {n: v for n, v in read.items() if not _matches(n, config.skip)}
    wanted = {n: v for n, v in backbone.state_dict().items() if not _matches(n, config.skip)}
    problems = sorted(
        name
        for name in loaded.keys() | wanted.keys()
        if name not in loaded or name not in wanted or loaded[name].shape != wanted[name].shape
    )
    if problems:
        raise ConfigError(
            f"initial.weights {path} does not fit the backbone in {len(problems)} tensors "
            f"({', '.join(problems[:3])}, ...); leave parameters out with initial.skip = ['...']"
        )
    backbone.load_state_dict(loaded, strict=False)


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Write JSON to a file that appears only when it is complete."""
    write_text(path, json_text(summary, indent=2) + "\n", private=True)


def weights_file(folder: RunFolder, weights: Weights) -> Path:
    """The file of a run's weights.

    Raises:
        ConfigError: If the run did not leave them.
    """
    files = {"last": folder.backbone, "ema": folder.ema, "best": folder.best}
    if weights == "auto":
        weights = "ema" if folder.ema.is_file() else "last"
    path = files[weights]
    if not path.is_file():
        there = [name for name, file in files.items() if file.is_file()]
        if not there and CheckpointFolder(folder.checkpoints).steps():
            left = "was stopped: weights 'auto' and 'last' are those of its newest checkpoint"
        else:
            left = (
                f"left: {', '.join(there)}" if there else "has no checkpoint, go on with --resume"
            )
        raise ConfigError(f"{folder.path} has no {path.name}; the run {left}")
    return path


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path} must be a safetensors file of weights: {error}") from error


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
