"""Tables of TOML into dataclasses and back: types checked, unknown keys named with the nearest."""

import types
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from vultus.core.errors import ConfigError, InputError
from vultus.core.text import did_you_mean

S = TypeVar("S")

_REST = "settings"
"""A field of this name takes the keys that are no other field's."""


def unknown_key(source: str, what: str, key: str, known: Collection[str]) -> ConfigError:
    """The error for a key that is not there."""
    return ConfigError(
        f"{source}: {what} has no {key!r}{did_you_mean(key, known)} "
        f"(there are: {', '.join(sorted(known))})"
    )


def read_section(cls: type[S], values: Any, *, source: str, where: str) -> S:
    """Make a dataclass from a table.

    Args:
        cls: The dataclass. A field named ``settings`` takes all keys that no other field has.
        values: The table.
        source: What messages call the file.
        where: Dotted name of the table in the file.

    Raises:
        ConfigError: If a key is unknown or missing, or a value is not of its type or range.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{source}: {where} must be a table, got {values!r}")
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    hints = get_type_hints(cls)
    given: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, value in values.items():
        place = f"{where}.{key}" if where else key
        if key in known and key != _REST:
            given[key] = _convert(hints[key], value, source=source, where=place)
        elif _REST in known:
            rest[key] = value
        else:
            raise unknown_key(source, where if where else "the recipe", key, known)
    if rest:
        given[_REST] = rest
    _check_complete(known.values(), given, source=source, where=where)
    try:
        return cls(**given)
    except InputError as error:
        raise ConfigError(f"{source}: {where if where else 'the recipe'}: {error}") from None


def section_values(section: Any) -> dict[str, Any]:
    """The table of a dataclass; what is None, or an empty table or list, is left out.

    Args:
        section: An instance of a dataclass that `read_section` can make.
    """
    values: dict[str, Any] = {}
    for field in fields(section):
        value = _plain(getattr(section, field.name))
        if field.name == _REST:
            values.update(value)
        elif value is not None and value not in ({}, []):
            values[field.name] = value
    return values


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return section_values(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _check_complete(
    known: Collection["Field[Any]"], given: Mapping[str, Any], *, source: str, where: str
) -> None:
    for field in known:
        needed = field.default is MISSING and field.default_factory is MISSING
        if needed and field.name not in given:
            place = f"{where}.{field.name}" if where else field.name
            raise ConfigError(f"{source}: {place} is missing")


def _convert(kind: Any, value: Any, *, source: str, where: str) -> Any:
    """``value`` as ``kind``, or an error that says what it must be."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        if isinstance(value, kind):
            return value
        if isinstance(value, str) and "root" in {field.name for field in fields(kind)}:
            value = {"root": value}
        return read_section(kind, value, source=source, where=where)
    if origin in (Union, types.UnionType):
        options = [option for option in inner if option is not types.NoneType]
        exact = [option for option in options if type(value) is option]
        return _convert(exact[0] if exact else options[0], value, source=source, where=where)
    if origin is tuple:
        return _tuple(inner, value, source=source, where=where)
    if origin is Literal:
        if value not in inner:
            hint = did_you_mean(str(value), inner)
            raise ConfigError(
                f"{source}: {where} must be one of {', '.join(inner)}, got {value!r}{hint}"
            )
        return value
    if kind is float and type(value) is int:
        return float(value)
    wanted = dict if origin is not None and issubclass(origin, Mapping) else kind
    if type(value) is not wanted:
        raise ConfigError(f"{source}: {where} must be {_WORDS[wanted]}, got {value!r}")
    return value


def _tuple(inner: tuple[Any, ...], value: Any, *, source: str, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{source}: {where} must be a list, got {value!r}")
    if inner[-1] is Ellipsis:
        inner = (inner[0],) * len(value)
    if len(value) != len(inner):
        raise ConfigError(f"{source}: {where} must have {len(inner)} entries, got {len(value)}")
    return tuple(
        _convert(kind, item, source=source, where=f"{where}.{number}")
        for number, (kind, item) in enumerate(zip(inner, value, strict=True))
    )


_WORDS = {bool: "true or false", int: "an integer", float: "a number", str: "text", dict: "a table"}
