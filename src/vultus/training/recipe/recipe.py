"""A whole recipe: what the sections add up to, and how stages are laid over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from vultus.core.errors import ConfigError
from vultus.core.settings_reader import TakesRest, read
from vultus.core.text import unknown_name
from vultus.training.recipe.config import (
    AboutConfig,
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    InitialConfig,
    InputConfig,
    RunConfig,
    TrainingConfig,
)
from vultus.training.recipe.overlay import laid_over
from vultus.training.recipe.stage_config import NamedConfig, StageConfig

_STAGE_KEYS = tuple(f.name for f in fields(StageConfig) if f.name != "name")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a training run does.

    Attributes:
        about: Words.
        run: Where it happens.
        input: What goes into the network.
        data: The training faces.
        augment: What is done to a crop, in this order; `vultus.data.augmentation` reads the keys.
        backbone: The network.
        initial: Weights to start from.
        training: How a step is computed.
        evaluation: What is measured meanwhile.
        checkpoint: When the state is saved.
        stages: At least one.
    """

    about: AboutConfig = field(default_factory=AboutConfig)
    run: RunConfig = field(default_factory=RunConfig)
    input: InputConfig = field(default_factory=InputConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: tuple[Mapping[str, Any], ...] = ()
    backbone: NamedConfig
    initial: InitialConfig = field(default_factory=InitialConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    stages: tuple[StageConfig, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, source: str) -> "Recipe":
        """Build it from what a TOML file holds.

        Args:
            values: Sections by name.
            source: What messages call the file.

        Raises:
            ConfigError: If a key is unknown (the message names the nearest), missing, or its value
                is not of the kind or range; the message names the file and the key.
        """
        own = [f.name for f in fields(cls) if f.name != "stages"]
        known = [*own, *_STAGE_KEYS, "stage"]
        for key in values:
            if key not in known:
                raise ConfigError(f"{source} has no {unknown_name(key, sorted(known))}")
        # Where there is one stage, unspoken of, its keys stand at the top level.
        where = "stage.{}" if "stage" in values else ""
        stages = [
            read(StageConfig, stage, source=source, where=where.format(number))
            for number, stage in enumerate(_stages(values, source))
        ]
        rest = {key: values[key] for key in own if key in values}
        return read(cls, {**rest, "stages": stages}, source=source)

    def to_dict(self) -> dict[str, Any]:
        """The recipe with every default written out and each stage complete; fits TOML and JSON.

        Settings that are None are left out. `from_dict` reads it back.
        """
        values: dict[str, Any] = _plain(self)
        values["stage"] = values.pop("stages")
        return values


def _stages(values: Mapping[str, Any], source: str) -> list[Mapping[str, Any]]:
    """The stages' tables, each laid over the top level's."""
    base = {key: values[key] for key in _STAGE_KEYS if key in values}
    stages = values.get("stage", [{}])
    if not isinstance(stages, list) or not stages or not all(isinstance(s, dict) for s in stages):
        raise ConfigError(f"{source}: stage must be tables, written [[stage]], got {stages!r}")
    names = {"name": "main"} if len(stages) == 1 else {}
    try:
        return [
            {"name": f"stage {number}", **names, **laid_over(base, stage)}
            for number, stage in enumerate(stages, start=1)
        ]
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def _plain(value: Any) -> Any:
    """Tables and lists of a section; what is None, or an empty table or list, is left out."""
    takes_rest = isinstance(value, TakesRest)
    if is_dataclass(value):
        items = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        rest = items.pop("settings") if takes_rest else {}
        return {key: item for key, item in items.items() if item not in (None, {}, [])} | rest
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
