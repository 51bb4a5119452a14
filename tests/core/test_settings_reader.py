"""Values from outside become dataclasses, or one error that says where and what."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.checks import check_positive_int
from vultus.core.errors import ConfigError, InputError
from vultus.core.settings_reader import Numbers, TakesRest, read


@dataclass(frozen=True, kw_only=True)
class Inner(TakesRest):
    shorthand = "root"
    root: str | None = None
    kind: Literal["a", "b"] = "a"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Curve:
    size: int
    values: Annotated[npt.NDArray[np.float64], Numbers("float64")]
    counts: Annotated[npt.NDArray[np.int64], Numbers("int64")] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    count: int
    rate: float = 0.5
    flag: bool = False
    size: tuple[int, int] = (1, 2)
    points: tuple[int | float, ...] = ()
    inners: tuple[Inner, ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive_int("count", self.count)


def outer(values: Any) -> Outer:
    return read(Outer, values, source="r.toml", where="part")


def test_values_become_what_the_fields_say() -> None:
    made = outer({"count": 3, "rate": 1, "points": [1, 0.5], "size": [4, 5]})
    assert type(made.rate) is float
    assert [type(point) for point in made.points] == [int, float]
    assert made.size == (4, 5)


def test_keys_of_no_field_are_settings_where_there_is_room_for_them() -> None:
    inners = outer({"count": 1, "inners": ["x", {"root": "y", "kind": "b", "more": [1]}]}).inners
    assert inners == (Inner(root="x"), Inner(root="y", kind="b", settings={"more": [1]}))
    # A key called as the field is a setting as any other.
    assert read(Inner, {"settings": 1}, source="").settings == {"settings": 1}


def test_lists_of_numbers_become_arrays() -> None:
    curve = outer({"count": 1, "curves": {"x": {"size": 2, "values": [1, 0.5]}}}).curves["x"]
    assert curve.values.dtype == np.float64
    assert curve.values.tolist() == [1.0, 0.5]


def test_what_is_made_already_is_taken_as_it_is() -> None:
    inner = Inner(root="a")
    assert outer({"count": 1, "inners": [inner]}).inners[0] is inner


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"part\.count is missing$"),
        (3, "part must be a table, got 3"),
        ({"count": 0}, "part: count must be an integer of at least 1, got 0"),
        ({"count": 1.5}, r"part\.count must be an integer, got 1\.5"),
        ({"count": "1"}, r"part\.count must be an integer, got '1'"),
        ({"count": True}, r"part\.count must be an integer, got True"),
        ({"count": 1, "rate": "fast"}, r"part\.rate must be a number, got 'fast'"),
        ({"count": 1, "rate": True}, r"part\.rate must be a number, got True"),
        ({"count": 1, "flag": 1}, r"part\.flag must be true or false, got 1"),
        ({"count": 1, "size": [1]}, r"part\.size must have 2 entries, got 1"),
        ({"count": 1, "size": [1, 2, 3]}, r"part\.size must have 2 entries, got 3"),
        ({"count": 1, "size": 3}, r"part\.size must be a list, got 3"),
        ({"count": 1, "size": [1, "2"]}, r"part\.size\.1 must be an integer, got '2'"),
        ({"count": 1, "points": ["x"]}, r"part\.points\.0 must be a number, got 'x'$"),
        ({"count": 1, "inners": [{"kind": "aa"}]}, r"inners\.0\.kind must .*did you mean 'a'\?"),
        ({"count": 1, "inners": [3]}, r"part\.inners\.0 must be a table, got 3"),
        ({"count": 1, "rates": 2}, r"part has no 'rates'; did you mean 'rate'\? \(there are: c"),
        (
            {"count": 1, "curves": {"x": {"size": 1, "values": [], "count": []}}},
            r"part\.curves\.x has no 'count'; did you mean 'counts'\? \(there are: counts, size, v",
        ),
        (
            {"count": 1, "curves": {"x": {"size": 1, "values": [True]}}},
            r"part\.curves\.x\.values\.0 must be a number, got True",
        ),
        (
            {"count": 1, "curves": {"x": {"size": 1, "values": [], "counts": [2**70]}}},
            r"part\.curves\.x\.counts\.0 must be at most 9223372036854775807, got 11805",
        ),
        ({"count": 10**400}, r"part\.count must be at most 9223372036854775807, got 1000"),
        ({"count": -(2**63) - 1}, r"part\.count must be at least -9223372036854775808, got -9"),
    ],
)
def test_wrong_values_are_named_with_file_and_place(values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^r\.toml: .*{message}"):
        outer(values)


def test_every_fault_has_a_line() -> None:
    with pytest.raises(ConfigError) as caught:
        outer({"rate": "fast", "cont": 1})
    assert str(caught.value).splitlines() == [
        "r.toml: part has no 'cont'; did you mean 'count'? "
        "(there are: count, curves, flag, inners, points, rate, size)",
        "r.toml: part.count is missing",
        "r.toml: part.rate must be a number, got 'fast'",
    ]


def test_of_many_faults_the_first_ten_are_told() -> None:
    with pytest.raises(ConfigError) as caught:
        outer({"count": 1, "points": ["x"] * 1000})
    assert len(str(caught.value).splitlines()) == 11
    assert str(caught.value).endswith("\nr.toml: and 990 more")


def test_the_whole_file_needs_no_place() -> None:
    with pytest.raises(InputError, match=r"^r\.toml has no 'sizes'; did you mean 'size'"):
        read(Curve, {"sizes": 1, "size": 1, "values": []}, source="r.toml", error=InputError)


def test_unknown_keys_can_be_left_alone() -> None:
    values = {"size": 1, "values": [], "later": 1}
    assert read(Curve, values, source="", unknown="ignore").size == 1


def test_long_values_are_cut() -> None:
    with pytest.raises(ConfigError) as caught:
        outer({"count": "x" * 10_000})
    assert len(str(caught.value)) < 300


_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.times()
)
_KEYS = st.sampled_from(["count", "rate", "flag", "size", "points", "inners", "curves"]) | st.text()
_TREES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=12
)


@given(_TREES | st.dictionaries(_KEYS, _TREES))
def test_whatever_comes_is_read_or_refused(values: Any) -> None:
    try:
        outer(values)
    except ConfigError as error:
        said = str(error)
    else:
        return
    assert said.startswith("r.toml: part")


def test_importing_the_reader_does_not_load_pydantic() -> None:
    code = "import sys, vultus.core.settings_reader; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
