"""What a run leaves behind: weights that others load, a summary, a picture."""

import json
from collections.abc import Mapping
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
from vultus.training.recipe.config import InitialConfig
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe
from vultus.training.run.run_folder import RunFolder


def build_backbone(recipe: Recipe) -> Backbone:
    """The recipe's network with random weights from torch's generator.

    Raises:
        RegistryError: If there is no such backbone.
        ConfigError: If a setting of it is unknown or wrong.
    """
    name, settings = recipe.backbone.name, recipe.backbone.settings
    return BACKBONES.read(name, settings, source="backbone", input_hw=recipe.input.size_hw)


def load_backbone(run_folder: str | Path, *, weights: Weights = "auto") -> Backbone:
    """A trained network, in evaluation mode, on the CPU.

    Args:
        run_folder: What ``vultus train`` wrote.
        weights: Which of its weights.

    Raises:
        ConfigError: If the folder holds no such run or weights.
    """
    folder = RunFolder(Path(run_folder))
    if not folder.config.is_file():
        raise ConfigError(f"{folder.path} is no run folder: it has no {folder.config.name}")
    backbone = build_backbone(load_recipe(str(folder.config)))
    path = weights_file(folder, weights)
    try:
        backbone.load_state_dict(_read(path))
    except RuntimeError as error:
        raise ConfigError(f"{path} does not fit the recipe beside it: {error}") from None
    return backbone.eval()


def save_backbone(state: Mapping[str, Tensor], path: Path) -> None:
    """Write weights to a file that appears only when it is complete."""
    with appearing(path, replace=True) as part:
        save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, part)


def load_initial_weights(backbone: nn.Module, config: InitialConfig) -> None:
    """Copy weights into a network.

    Args:
        backbone: The network.
        config: Where the weights are, and which parameters are to stay as they are.

    Raises:
        ConfigError: If the file cannot be read, a weight is missing or superfluous, or is of
            another shape.
    """
    if config.weights is None:
        return
    path = Path(config.weights).expanduser()
    if path.is_dir():
        path = weights_file(RunFolder(path), "auto")
    loaded = {n: v for n, v in _read(path).items() if not _matches(n, config.skip)}
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
    write_text(path, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")


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
        raise ConfigError(
            f"{folder.path} has no {path.name}; the run "
            + (f"left: {', '.join(there)}" if there else "is not complete, go on with --resume")
        )
    return path


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path} must be a safetensors file of weights: {error}") from error


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
