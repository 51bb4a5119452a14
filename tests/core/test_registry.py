import pytest

from vultus.core.errors import InputError, RegistryError
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
    with pytest.raises(InputError, match="missing a required argument: 'side'"):
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
