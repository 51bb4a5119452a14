"""Tables laid over tables: a stage over its recipe, a recipe over the one that it extends."""

from collections.abc import Mapping
from typing import Any

__all__ = ["laid_over"]


def laid_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of ``top`` replace those of ``base``; in a table key by key.

    A table with another ``name`` (another loss, another optimiser) replaces the whole table, since
    its settings are others. ``epochs`` and ``steps`` are two ways to say one thing: either takes
    both of the base's away. ``without`` lists keys of the base that are left out.

    Example:
        >>> laid_over({"loss": {"name": "cosface", "scale": 64.0}}, {"loss": {"scale": 16.0}})
        {'loss': {'name': 'cosface', 'scale': 16.0}}
        >>> laid_over({"loss": {"name": "cosface", "scale": 64.0}}, {"loss": {"name": "coco"}})
        {'loss': {'name': 'coco'}}
    """
    without = top.get("without", [])
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
