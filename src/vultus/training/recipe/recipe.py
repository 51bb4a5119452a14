"""A whole recipe: what the sections add up to, and how stages are laid over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from vultus.core.errors import ConfigError
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
from vultus.training.recipe.overrides import laid_over
from vultus.training.recipe.sections import read_section, section_values, unknown_key
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
                raise unknown_key(source, "the recipe", key, known)
        rest = {key: values[key] for key in own if key in values}
        stages = [
            read_section(StageConfig, stage, source=source, where=f"stage.{number}")
            for number, stage in enumerate(_stages(values, source))
        ]
        return read_section(cls, {**rest, "stages": stages}, source=source, where="")

    def to_dict(self) -> dict[str, Any]:
        """The recipe with every default written out and each stage complete; fits TOML and JSON.

        Settings that are None are left out. `from_dict` reads it back.
        """
        values = section_values(self)
        values["stage"] = values.pop("stages")
        return values


def _stages(values: Mapping[str, Any], source: str) -> list[Mapping[str, Any]]:
    """The stages' tables, each laid over the top level's."""
    base = {key: values[key] for key in _STAGE_KEYS if key in values}
    stages = values.get("stage", [{}])
    if not isinstance(stages, list) or not stages or not all(isinstance(s, dict) for s in stages):
        raise ConfigError(f"{source}: stage must be tables, written [[stage]], got {stages!r}")
    names = {"name": "main"} if len(stages) == 1 else {}
    return [
        {"name": f"stage {number}", **names, **laid_over(base, stage)}
        for number, stage in enumerate(stages, start=1)
    ]
