"""What is laid over a recipe: the recipe that extends it, its stages, ``key=value`` words."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from vultus.core.errors import ConfigError
from vultus.core.plain_values import parse_assignment
from vultus.training.recipe.config import DataConfig
from vultus.training.recipe.stage_config import NamedConfig, SecondLossConfig

_INSTEAD = {"steps": "epochs", "epochs": "steps"}
"""Two ways to say one thing: giving one takes the other away."""

_CHOOSES: Mapping[str, tuple[str, type[NamedConfig] | type[DataConfig]]] = {
    "backbone": ("name", NamedConfig),
    "data": ("kind", DataConfig),
    "loss": ("name", NamedConfig),
    "miner": ("name", NamedConfig),
    "sampler": ("name", NamedConfig),
    "second_loss": ("name", SecondLossConfig),
}
"""Sections whose settings belong to what one of their keys names, and that key."""


def apply_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of ``values`` with the overrides laid over it, in their order.

    Each is ``key=value`` as `vultus.core.plain_values.parse_assignment` reads it; points in the
    key lead into tables, ``none`` takes the key away, which brings back the default. Numbers in a
    key count the tables of a list from 0; the number behind the last adds one. Another
    ``name`` of a loss, miner, sampler or backbone (or ``data.kind``) drops the settings of the one
    before.

    Raises:
        ConfigError: If an override is not of the form, or leads through something that is no table.
    """
    result = copy.deepcopy(dict(values))
    for text in overrides:
        key, value = parse_assignment(text)
        path = key.split(".")
        if not all(path):
            raise ConfigError(f"a key must be names with points between, got {text!r}")
        _set(result, path, value, text)
    return result


def _set(table: Any, path: Sequence[str], value: Any, text: str) -> None:
    for place, key in enumerate(path[:-1]):
        if isinstance(table, dict):
            table = table.setdefault(key, [] if path[place + 1].isdecimal() else {})
        else:
            table = table[_position(table, key, text)]
    last = path[-1]
    if isinstance(table, dict):
        if value is None:
            table.pop(last, None)
        else:
            _drop_settings_of_another(table, path, value)
            table[last] = value
            table.pop(_INSTEAD.get(last), None)
        return
    position = _position(table, last, text)
    if value is None:
        del table[position]
    else:
        table[position] = value


def _drop_settings_of_another(table: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Another loss, sampler, backbone or kind of data has other settings."""
    section = path[-2] if len(path) > 1 else ""
    key, kind = _CHOOSES.get(section, ("", NamedConfig))
    if path[-1] != key or table.get(key, value) == value:
        return
    known = {field.name for field in fields(kind)}
    for setting in [name for name in table if name not in known]:
        del table[setting]


def _position(table: Any, key: str, text: str) -> int:
    """Where ``key`` points in a list; makes room for one more entry."""
    if not isinstance(table, list) or not key.isdecimal() or int(key) > len(table):
        size = f"a list of {len(table)}" if isinstance(table, list) else repr(table)
        raise ConfigError(f"{text!r} leads to {key!r} in {size}; it must lead through tables")
    if int(key) == len(table):
        table.append({})
    return int(key)


def laid_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of ``top`` replace those of ``base``; in a table key by key.

    A table with another ``name`` (another loss, another optimiser) replaces the whole table, since
    its settings are others. ``epochs`` and ``steps`` are two ways to say one thing: either takes
    both of the base's away. ``without`` lists keys of the base that are left out.

    Raises:
        ConfigError: If ``without`` is no list.

    Example:
        >>> laid_over({"loss": {"name": "cosface", "scale": 64.0}}, {"loss": {"scale": 16.0}})
        {'loss': {'name': 'cosface', 'scale': 16.0}}
        >>> laid_over({"loss": {"name": "cosface", "scale": 64.0}}, {"loss": {"name": "coco"}})
        {'loss': {'name': 'coco'}}
    """
    without = top.get("without", [])
    if not isinstance(without, list):
        raise ConfigError(f"without must be a list of names, got {without!r}")
    merged = {key: value for key, value in base.items() if key not in without}
    if "epochs" in top or "steps" in top:
        merged.pop("epochs", None)
        merged.pop("steps", None)
    for key, value in top.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            renamed = value.get("name", below.get("name")) != below.get("name")
            value = value if renamed else {**below, **value}
        if key != "without":
            merged[key] = value
    return merged
