"""Settings of a protocol from ``name=value`` words, by the types that its factory declares."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from vultus.core.errors import InputError


def parse_settings(factory: Callable[..., Any], words: Sequence[str]) -> dict[str, Any]:
    """Read settings of a protocol.

    Args:
        factory: What makes the protocol; its keyword arguments are the settings.
        words: ``name=value`` each. Values are numbers, ``true`` or ``false``, ``none``, paths,
            names, or several with commas between, as the setting has it.

    Raises:
        InputError: If a word is no such pair, a setting is unknown, or a value does not fit.
    """
    made_by = factory.__init__ if inspect.isclass(factory) else factory
    types = get_type_hints(made_by)
    names = [name for name in inspect.signature(factory).parameters if name != "root"]
    settings: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise InputError(f"--set must be NAME=VALUE, got {word!r}")
        if name not in names:
            raise InputError(f"the protocol has no setting {name!r} (it has: {', '.join(names)})")
        settings[name] = _parsed(f"--set {name}", text, types[name])
    return settings


def _parsed(name: str, text: str, kind: Any) -> Any:
    origin, choices = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if text.lower() == "none" and type(None) in choices:
            return None
        (kind,) = (choice for choice in choices if choice is not type(None))
        return _parsed(name, text, kind)
    if origin is tuple:
        return tuple(_parsed(name, part.strip(), choices[0]) for part in text.split(","))
    if origin is Literal:
        if text not in choices:
            raise InputError(f"{name} must be one of {', '.join(choices)}, got {text!r}")
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{name} must be true or false, got {text!r}")
        return text.lower() == "true"
    if kind in (int, float):
        try:
            # 1e6 is how numbers of distractors are written.
            return kind(text) if kind is float else _whole(text)
        except ValueError:
            raise InputError(f"{name} must be {_NAMES[kind]}, got {text!r}") from None
    return Path(text) if kind is Path else text


_NAMES = {int: "a whole number", float: "a number"}


def _whole(text: str) -> int:
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)
