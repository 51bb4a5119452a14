"""Settings of a protocol from ``name=value`` words, by the types that its factory declares."""

import inspect
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from vultus.core.errors import InputError
from vultus.core.plain_values import parse_word
from vultus.core.settings_reader import read
from vultus.core.text import unknown_name


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
            raise InputError(f"the protocol has no setting {unknown_name(name, names)}")
        settings[name] = read(
            types[name], _value(text, types[name]), source=f"--set {name}", error=InputError
        )
    return settings


def _value(text: str, kind: Any) -> Any:
    """What the text stands for where a ``kind`` is wanted; the reader says whether it is one."""
    choices = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        if text.lower() == "none" and type(None) in choices:
            return None
        (kind,) = (choice for choice in choices if choice is not type(None))
        return _value(text, kind)
    if get_origin(kind) is tuple:
        return [_value(part.strip(), choices[0]) for part in text.split(",")]
    if kind not in (bool, int, float):
        return text
    value = parse_word(text)
    # 1e6 is how numbers of distractors are written.
    whole = kind is int and isinstance(value, float) and value.is_integer()
    return int(value) if whole else value
