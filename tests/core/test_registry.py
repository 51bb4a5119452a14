import threading
from typing import Any

import pytest

from vultus.core.errors import ConfigError, InputError, RegistryError
from vultus.core.registry import Registry


def shapes() -> Registry[str]:
    registry: Registry[str] = Registry("shapes")

    @registry.register("square")
    def square(*, side: int, filled: bool = False) -> str:
        return f"{side} {filled}"

    return registry


def test_create_passes_the_settings_on() -> None:
    assert shapes().create("square", side=2, filled=True) == "2 True"


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(RegistryError, match="did you mean 'square'"):
        shapes().create("sqare", side=1)


def test_a_name_is_given_once() -> None:
    registry = shapes()
    with pytest.raises(RegistryError, match="registered already"):
        registry.register("square")(lambda: "x")


def test_unknown_and_missing_settings_are_named() -> None:
    with pytest.raises(InputError, match=r"'sides'; did you mean 'side'.*it takes: side, filled"):
        shapes().create("square", sides=2)
    with pytest.raises(InputError, match=r"missing a required (keyword-only )?argument: 'side'"):
        shapes().create("square")


def test_an_error_inside_a_factory_is_not_mistaken_for_a_wrong_setting() -> None:
    registry: Registry[str] = Registry("shapes")

    @registry.register("broken")
    def broken() -> str:
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        registry.create("broken")


def test_iterates_over_sorted_names() -> None:
    registry = shapes()
    registry.register("circle")(lambda: "o")
    assert list(registry) == ["circle", "square"]
    assert len(registry) == 2
    assert "circle" in registry


def test_settings_from_outside_are_read_by_type() -> None:
    assert shapes().read("square", {"filled": True}, source="shape", side=2) == "2 True"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": "2"}, "^shape: side must be an integer, got '2'"),
        ({"side": 2, "filled": 1}, "^shape: filled must be true or false, got 1"),
        ({"side": 2, "fild": True}, "^shape: .*did you mean 'filled'"),
        ({}, r"^shape: .*missing a required (keyword-only )?argument: 'side'"),
        ({"self": 2}, "^shape: .*no setting 'self'"),
    ],
)
def test_wrong_settings_from_outside_are_one_error(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shapes().read("square", settings, source="shape")


def test_settings_do_not_say_what_the_code_decides() -> None:
    with pytest.raises(ConfigError, match="shape must not say side, which is 3 here"):
        shapes().read("square", {"side": 2}, source="shape", side=3)


def test_what_no_file_can_hold_is_passed_on() -> None:
    registry: Registry[object] = Registry("things")

    @registry.register("thing")
    def thing(*, made: threading.Thread, bare=None) -> object:  # type: ignore[no-untyped-def]
        return made, bare

    @registry.register("other")
    def other(*, made: "Nowhere") -> object:  # type: ignore[name-defined]  # noqa: F821
        return made

    assert registry.read("thing", {"made": 3, "bare": [1]}, source="") == (3, [1])
    assert registry.read("other", {"made": 3}, source="") == 3
