"""The folder of a run: what lies where, and whether a recipe fits what is there."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vultus.core.errors import ConfigError
from vultus.core.files import make_private_folder, write_text
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe, recipe_toml

_FREE = (
    "about", "run.output", "run.device", "run.log_every_steps", "run.alignment_sample",
    "data.workers", "checkpoint",
    "stage.*.distillation.cache", "stage.*.distillation.batch_size",
)  # fmt: skip
"""What may change between a run and its resumption: nothing that the weights depend on."""


@dataclass(frozen=True)
class RunFolder:
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
    def checkpoints(self) -> Path:
        """Folder of whole states to resume from."""
        return self.path / "checkpoints"

    @property
    def log(self) -> Path:
        """One JSON object a line."""
        return self.path / "log.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Folder of event files."""
        return self.path / "tensorboard"

    @property
    def skipped(self) -> Path:
        """Folder of reports on steps that were left out because a number was none."""
        return self.path / "skipped-steps"

    @property
    def backbone(self) -> Path:
        """The network's last weights."""
        return self.path / "backbone.safetensors"

    @property
    def ema(self) -> Path:
        """The running mean of its weights, if one was kept."""
        return self.path / "backbone-ema.safetensors"

    @property
    def best(self) -> Path:
        """The weights with the best accuracy on the first evaluation set, if there was one."""
        return self.path / "backbone-best.safetensors"

    @property
    def summary(self) -> Path:
        """What came out, as JSON; written when the run is complete."""
        return self.path / "summary.json"

    @property
    def curves(self) -> Path:
        """Picture of the log."""
        return self.path / "curves.png"

    def begin(self, recipe: Recipe, *, resume: bool) -> None:
        """Make the folder and write the recipe into it, or check that it is the same recipe.

        Args:
            recipe: What is to be run.
            resume: Go on with the run in this folder; where there is none, a new one begins.

        Raises:
            ConfigError: If something was saved there already and ``resume`` is False, or its
                recipe differs in something that the weights depend on (the message names it).
        """
        begun = self.config.exists() and any(self.checkpoints.glob("*"))
        if begun and not resume:
            raise ConfigError(
                f"{self.path} holds a run already: add --resume to go on with it, or choose "
                "another folder with run.output=..."
            )
        if begun:
            self._check_same(recipe)
            return
        # Its log and reports name photos, and networks remember faces.
        make_private_folder(self.path)
        write_text(self.config, recipe_toml(recipe), private=True)

    def _check_same(self, recipe: Recipe) -> None:
        before = _flat(load_recipe(str(self.config)).to_dict())
        now = _flat(recipe.to_dict())
        for key in sorted(before.keys() | now.keys()):
            free = any(fnmatchcase(key, name) or fnmatchcase(key, f"{name}.*") for name in _FREE)
            if not free and before.get(key) != now.get(key):
                raise ConfigError(
                    f"{self.path} was begun with {key} = {before.get(key)!r}, now it is "
                    f"{now.get(key)!r}; resume with the same, or choose another folder with "
                    "run.output=..."
                )


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested tables and lists as dotted keys."""
    items = enumerate(values) if isinstance(values, list) else values.items()
    flat: dict[str, Any] = {}
    for key, value in items:
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, (dict, list)):
            flat |= _flat(value, name)
        else:
            flat[name] = value
    return flat
