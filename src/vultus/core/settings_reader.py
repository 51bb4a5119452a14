"""The one way in for values from outside: recipes, cards, tables, records, calibrations.

What a file may hold is said by a class: a frozen dataclass of the standard library (with slots or
without), which Python code makes, too. `read` makes one from a table of TOML or JSON, as
`vultus.core.plain_values` parses it::

    @dataclass(frozen=True, kw_only=True)
    class Light:
        lumen: float                                    # 800 will do; "800" and true will not
        kind: Literal["led", "gas"] = "led"
        size_hw: tuple[int, int] = (1, 1)               # a list in the file

        def __post_init__(self) -> None:
            check_range("lumen", self.lumen, low=0)     # ranges; Python callers get them, too

    light = read(Light, parse_toml(text, source="lamp.toml"), source="lamp.toml", where="light")

A wrong value is one `ConfigError` (or what ``error`` names) with a line a fault, each with its file
and place, what must be, and what came::

    lamp.toml: light has no 'lumens'; did you mean 'lumen'? (there are: kind, lumen, size_hw)
    lamp.toml: light.kind must be one of led, gas, got 'lde'; did you mean 'led'?

Unknown keys are refused, unless ``unknown="ignore"`` (files that a later version may have added
to). A class that inherits from `TakesRest` keeps them in its field ``settings``. Lists of numbers
that are arrays in Python are annotated with `Numbers`.

pydantic does the work. It is loaded by the first `read`, never by importing this module, since it
takes longer to load than a face takes to recognise.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from vultus.core.errors import ConfigError, VultusError
from vultus.core.text import did_you_mean, unknown_name

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails, SchemaValidator

T = TypeVar("T")
Unknown = Literal["forbid", "ignore"]

_EXACT = ("bool", "float", "int", "str")
_INT64 = np.iinfo(np.int64)
_WORDS = {
    "bool": "true or false",
    "dataclass": "a table",
    "dict": "a table",
    "float": "a number",
    "int": "an integer",
    "list": "a list",
    "mapping": "a table",
    "model": "a table",
    "sequence": "a list",
    "string": "text",
    "tuple": "a list",
}
"""What a value must be, by the first word of pydantic's name for the fault."""

_MOST = 10
"""Faults that a message shows: who takes a wrong file needs no thousand."""

_LONGEST = 200
"""Characters of a wrong value that a message shows."""


def read(
    kind: type[T],
    values: object,
    *,
    source: str,
    where: str = "",
    unknown: Unknown = "forbid",
    error: type[VultusError] = ConfigError,
) -> T:
    """Make a ``kind`` from plain values.

    Args:
        kind: A dataclass, or any other type that pydantic knows.
        values: Tables, lists, text, numbers, as TOML and JSON give them.
        source: What messages call the file.
        where: Dotted name of the table in the file; empty for the whole of it.
        unknown: What to do with keys that no field has.
        error: What to raise.

    Raises:
        VultusError: As ``error`` says, if a key is unknown or missing, or a value is not of its
            type or range.
    """
    from pydantic import ValidationError

    try:
        made: T = _validator(cast("Any", kind), unknown).validate_python(values)
    except ValidationError as fault:
        faults = fault.errors(include_url=False)
    else:
        return made
    lines: dict[str, str] = {}
    # Unknown keys first: one that is misspelt explains one that is missing.
    for detail in sorted(faults, key=lambda detail: detail["type"] not in _UNKNOWN):
        path = _path(detail, values)
        place, owner = (_dotted(where, path[:end]) for end in (len(path), -1))
        # Of a union, each member has a fault in the same place: the last speaks for all.
        lines[place] = source + _text(detail, place, owner=owner, names=_names(kind, path))
    shown = list(lines.values())[:_MOST]
    more = len(lines) - len(shown)
    raise error("\n".join(shown) + (f"\n{source}: and {more} more" if more else "")) from None


def read_arguments(
    factory: Callable[..., Any],
    settings: Mapping[str, Any],
    *,
    source: str,
    error: type[VultusError] = ConfigError,
) -> dict[str, Any]:
    """Settings for a function or class, each as the type that its argument declares.

    Whether there are such arguments is not checked here. Arguments whose type no file could hold
    (a tensor, a callable) are passed on as they are.

    Raises:
        VultusError: As ``error`` says, if a value is not of its argument's type.

    Example:
        >>> def lamp(*, lumen: float, size_hw: tuple[int, int] = (1, 1)) -> None: ...
        >>> read_arguments(lamp, {"lumen": 800, "size_hw": [2, 3]}, source="lamp")
        {'lumen': 800.0, 'size_hw': (2, 3)}
    """
    from pydantic.errors import PydanticSchemaGenerationError

    try:
        takes = inspect.signature(factory, eval_str=True).parameters
    except NameError:  # a plug-in's annotations that only a type checker can resolve
        return dict(settings)
    read_settings: dict[str, Any] = {}
    for key, value in settings.items():
        kind = takes[key].annotation if key in takes else Any
        try:
            read_settings[key] = read(kind, value, source=source, where=key, error=error)
        except PydanticSchemaGenerationError:
            read_settings[key] = value
    return read_settings


class TakesRest:
    """A dataclass whose field ``settings`` takes the keys of its table that no other field has.

    Attributes:
        shorthand: The field that is meant where plain text stands in place of a table; empty for
            none.
    """

    shorthand: ClassVar[str] = ""

    @classmethod
    def collected(cls, values: Any) -> Any:
        """``values`` with the keys of no field together under ``settings``."""
        if cls.shorthand and isinstance(values, str):
            return {cls.shorthand: values}
        if not isinstance(values, Mapping):
            return values
        known = {field.name for field in fields(cast("Any", cls))} - {"settings"}
        rest = {key: value for key, value in values.items() if key not in known}
        return {**{key: values[key] for key in values if key in known}, "settings": rest}


@dataclass(frozen=True, slots=True)
class Numbers:
    """Says of an array's annotation that a file holds it as a list of numbers.

    Example:
        >>> from typing import Annotated
        >>> Rates = Annotated[npt.NDArray[np.float64], Numbers("float64")]

    Attributes:
        dtype: Of the array, which has one axis.
    """

    dtype: Literal["float64", "int64"]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        number = core_schema.float_schema() if self.dtype == "float64" else core_schema.int_schema()
        return core_schema.no_info_after_validator_function(
            self._array, core_schema.list_schema(number, fail_fast=True)
        )

    def _array(self, values: list[float]) -> npt.NDArray[Any]:
        try:
            return np.array(values, self.dtype)
        except OverflowError as fault:
            raise ValueError(str(fault)) from None


@cache
def _validator(kind: Any, unknown: Unknown) -> "SchemaValidator":
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

    return SchemaValidator(_strict(TypeAdapter(kind).core_schema, unknown))


def _strict(schema: Any, unknown: Unknown) -> Any:
    """The schema of pydantic, with scalars taken exactly and tables without further keys.

    Its own strict mode goes too far: it wants instances for dataclasses and tuples for lists.
    """
    if isinstance(schema, list):
        return [_strict(item, unknown) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value, unknown) for key, value in schema.items()}
    if made.get("type") in _EXACT:
        made["strict"] = True
    if made.get("type") == "int":
        # What no array could hold would end in an OverflowError wherever it is reckoned with.
        made = {"ge": _INT64.min, "le": _INT64.max} | made
    if made.get("type") in ("dataclass-args", "model-fields", "typed-dict"):
        made["extra_behavior"] = unknown
    if made.get("type") == "dataclass" and issubclass(made["cls"], TakesRest):
        # The reference goes outside, so that all who refer to the class get the whole of it.
        return {
            "type": "function-before",
            "function": {"type": "no-info", "function": made["cls"].collected},
            "ref": made.pop("ref"),
            "schema": made,
        }
    return made


_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")


def _dotted(where: str, path: Sequence[int | str]) -> str:
    return ".".join(part for part in (where, *map(str, path)) if part)


def _path(detail: "ErrorDetails", values: Any) -> tuple[int | str, ...]:
    """Where in the file: without the labels that pydantic gives to the members of unions."""
    path: list[int | str] = []
    for part in detail["loc"]:
        try:
            values = values[part]
        except (LookupError, TypeError):
            continue
        path.append(part)
    last = detail["loc"][-1] if detail["loc"] else 0
    return (*path, last) if detail["type"] in _MISSING and isinstance(last, str) else tuple(path)


def _names(kind: Any, path: Sequence[int | str]) -> list[str]:
    """The keys that may stand where the last part of ``path`` stands."""
    tables = list(_tables(kind))
    for part in path[:-1]:
        hints = [get_type_hints(table) for table in tables]
        inner = [hint[str(part)] for hint in hints if str(part) in hint]
        tables = [table for hint in inner for table in _tables(hint)] or tables
    return sorted({field.name for table in tables for field in fields(table)})


def _tables(annotation: Any) -> Iterator[Any]:
    """The dataclasses that an annotation speaks of."""
    if is_dataclass(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _tables(inner)


def _text(detail: "ErrorDetails", place: str, *, owner: str, names: Sequence[str]) -> str:
    """What the line of one fault says behind the file's name."""
    fault, got, context = detail["type"], detail["input"], detail.get("ctx", {})
    subject = f": {place}" if place else ""
    if fault in _UNKNOWN:
        return f"{f': {owner}' if owner else ''} has no {unknown_name(detail['loc'][-1], names)}"
    if fault in _MISSING and isinstance(detail["loc"][-1], str):
        return f"{subject} is missing"
    if fault in (*_MISSING, "too_long"):
        length = context["max_length"] if fault == "too_long" else int(detail["loc"][-1]) + 1
        return f"{subject} must have {length} entries, got {len(got)}"
    if fault in ("less_than_equal", "greater_than_equal"):
        most = f"at most {context['le']}" if "le" in context else f"at least {context['ge']}"
        return f"{subject} must be {most}, got {_short(got)}"
    if fault == "value_error":
        return f"{subject}: {context['error']}"
    if fault == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        hint = did_you_mean(got, choices) if isinstance(got, str) else ""
        wanted = repr(choices[0]) if len(choices) == 1 else f"one of {', '.join(choices)}"
        return f"{subject} must be {wanted}, got {_short(got)}{hint}"
    word = _WORDS.get(fault.partition("_")[0])
    said = f" must be {word}" if word else f": {detail['msg']}"
    return f"{subject}{said}, got {_short(got)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
