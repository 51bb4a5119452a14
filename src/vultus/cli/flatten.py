"""Commands that take dataclasses of options: the flat signature that Typer reads."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def flatten(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Replace each parameter that is a dataclass by one parameter per field.

    A field is declared as a parameter of a Typer command is: ``Annotated`` with its option. Where
    the dataclass parameter has a default, that instance's values are the defaults of the options.

    Args:
        command: A function whose parameters are plain ones or dataclasses.

    Returns:
        A function for Typer, which fills the dataclasses and calls ``command``.
    """
    hints = get_type_hints(command, include_extras=True)
    given = inspect.signature(command).parameters.values()
    groups = {p.name: hints[p.name] for p in given if is_dataclass(hints[p.name])}
    flat: list[inspect.Parameter] = []
    for parameter in given:
        if parameter.name in groups:
            flat += _options(groups[parameter.name], parameter.default)
        else:
            flat.append(_keyword(parameter.name, parameter.default, hints[parameter.name]))

    @wraps(command)
    def run(**values: Any) -> int | None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        return command(**values)

    run.__signature__ = inspect.Signature(flat, return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return run


def _options(group: type[Any], instance: Any) -> Iterator[inspect.Parameter]:
    """The parameters that stand for the fields of a dataclass."""
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = inspect.Parameter.empty
        if instance is not inspect.Parameter.empty:
            default = getattr(instance, field.name)
        elif field.default is not MISSING:
            default = field.default
        elif field.default_factory is not MISSING:
            default = field.default_factory()
        yield _keyword(field.name, default, hints[field.name])


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
