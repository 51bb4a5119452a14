from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from vultus.core.checks import check_positive_int
from vultus.core.errors import ConfigError
from vultus.training.recipe.sections import read_section, section_values


@dataclass(frozen=True, kw_only=True)
class Inner:
    root: str | None = None
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: int
    rate: float = 0.5
    flag: bool = False
    size: tuple[int, int] = (1, 2)
    points: tuple[int | float, ...] = ()
    inners: tuple[Inner, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive_int("count", self.count)


def read(**values: Any) -> Outer:
    return read_section(Outer, values, source="r.toml", where="part")


def test_values_become_what_the_fields_say() -> None:
    outer = read(count=3, rate=1, points=[1, 0.5], inners=["x", {"root": "y", "kind": "b"}])
    assert type(outer.rate) is float
    assert [type(point) for point in outer.points] == [int, float]
    assert outer.inners == (Inner(root="x"), Inner(root="y", kind="b"))


def test_keys_of_no_field_are_settings_where_there_is_room_for_them() -> None:
    assert read(count=1, anything=[1]).settings == {"anything": [1]}
    with pytest.raises(ConfigError, match=r"r\.toml: x has no 'rot'; did you mean 'root'\?"):
        read_section(Inner, {"rot": "a"}, source="r.toml", where="x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"part\.count is missing"),
        ({"count": 0}, "part: count must be an integer of at least 1, got 0"),
        ({"count": 1.5}, r"part\.count must be an integer, got 1\.5"),
        ({"count": True}, r"part\.count must be an integer, got True"),
        ({"count": 1, "rate": "fast"}, r"part\.rate must be a number, got 'fast'"),
        ({"count": 1, "flag": 1}, r"part\.flag must be true or false, got 1"),
        ({"count": 1, "size": [1]}, r"part\.size must have 2 entries, got 1"),
        ({"count": 1, "size": 3}, r"part\.size must be a list, got 3"),
        ({"count": 1, "size": [1, "2"]}, r"part\.size\.1 must be an integer, got '2'"),
        ({"count": 1, "inners": [{"kind": "aa"}]}, r"inners\.0\.kind .*did you mean 'a'\?"),
        ({"count": 1, "inners": [3]}, r"part\.inners\.0 must be a table, got 3"),
    ],
)
def test_wrong_values_are_named_with_file_and_place(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(**values)


def test_what_is_read_can_be_written_and_read_again() -> None:
    outer = read(count=3, points=[1, 0.5], inners=[{"kind": "b"}], more={"x": [1, {"y": 2}]})
    values = section_values(outer)
    assert values["more"] == {"x": [1, {"y": 2}]}
    assert values["inners"] == [{"kind": "b"}]  # the root that is None is left out
    assert read_section(Outer, values, source="", where="") == outer
