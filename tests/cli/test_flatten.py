import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer

from vultus.cli.flatten import flatten


@dataclass(frozen=True)
class Pair:
    left: Annotated[str, typer.Argument(help="One.")]
    right: int = 2


OTHER = Pair("x", 5)


def test_fields_become_options_and_are_filled() -> None:
    def command(pair: Pair, last: bool = False) -> int:
        assert last
        return len(pair.left) + pair.right

    flat = flatten(command)
    parameters = inspect.signature(flat).parameters
    assert list(parameters) == ["left", "right", "last"]
    assert parameters["left"].default is inspect.Parameter.empty
    assert parameters["left"].annotation == Pair.__annotations__["left"]
    assert parameters["right"].default == 2
    assert flat(left="abc", right=4, last=True) == 7


def test_the_default_of_a_group_is_that_of_its_options() -> None:
    def command(pair: Pair = OTHER) -> int:
        return pair.right

    parameters = inspect.signature(flatten(command)).parameters
    assert (parameters["left"].default, parameters["right"].default) == ("x", 5)


def test_an_option_declared_twice_is_refused() -> None:
    def command(pair: Pair, right: int) -> int:
        return right + pair.right

    with pytest.raises(ValueError, match="duplicate parameter name: 'right'"):
        flatten(command)
