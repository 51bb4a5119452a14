"""Names for things that users choose by name: detectors, losses, backbones, data sets, stores."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from vultus.core.errors import ConfigError, InputError, RegistryError
from vultus.core.settings_reader import read_arguments
from vultus.core.text import did_you_mean, unknown_name

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Registry(Generic[T]):
    """Maps names to callables that make a ``T``.

    Other packages add entries through the entry-point group ``vultus.<family>``.

    Args:
        family: Plural name of what is registered, e.g. ``"detectors"``.

    Example:
        >>> shapes: Registry[str] = Registry("shapes")
        >>> @shapes.register("square")
        ... def square(*, side: int = 1) -> str:
        ...     return f"{side}x{side}"
        >>> shapes.create("square", side=3)
        '3x3'
    """

    def __init__(self, family: str) -> None:
        self.family = family
        self._factories: dict[str, Callable[..., T]] = {}
        self._entry_points_read = False

    def register(self, name: str) -> Callable[[F], F]:
        """Decorator that adds a class or function under a name.

        Raises:
            RegistryError: If the name is taken.
        """

        def add(factory: F) -> F:
            if name in self._factories:
                raise RegistryError(f"{self.family}: {name!r} is registered already")
            self._factories[name] = factory
            return factory

        return add

    def get(self, name: str) -> Callable[..., T]:
        """The factory of that name.

        Raises:
            RegistryError: If there is none; the message suggests the nearest.
        """
        self._read_entry_points()
        if name not in self._factories:
            raise RegistryError(f"{self.family}: no {unknown_name(name, sorted(self))}")
        return self._factories[name]

    def create(self, name: str, /, **settings: Any) -> T:
        """Make the thing of that name.

        Args:
            name: A registered name.
            settings: Its keyword arguments.

        Raises:
            RegistryError: If the name is unknown.
            InputError: If a keyword is unknown or a needed one is missing.
        """
        factory = self.get(name)
        takes = inspect.signature(factory).parameters
        listed = f"(it takes: {', '.join(takes)})"
        unknown = [setting for setting in settings if setting not in takes]
        if unknown and not any(taken.kind is taken.VAR_KEYWORD for taken in takes.values()):
            hint = did_you_mean(unknown[0], takes)
            raise InputError(f"{self.family} {name!r} has no setting {unknown[0]!r}{hint} {listed}")
        try:
            inspect.signature(factory).bind(**settings)
        except TypeError as error:
            raise InputError(f"{self.family} {name!r}: {error} {listed}") from None
        return factory(**settings)

    def read(self, name: str, settings: Mapping[str, Any], *, source: str, **given: Any) -> T:
        """Make the thing of that name with settings from outside, whose types are checked.

        Args:
            name: A registered name.
            settings: From a file or a command line.
            source: What messages call the place of the settings.
            given: What no file decides.

        Raises:
            RegistryError: If the name is unknown.
            ConfigError: If a setting is unknown or missing, or its value is of another type.
        """
        values = read_arguments(self.get(name), settings, source=source)
        for key in settings:
            if key in given:
                raise ConfigError(f"{source} must not say {key}, which is {given[key]!r:.80} here")
        try:
            return self.create(name, **given, **values)
        except InputError as error:
            raise ConfigError(f"{source}: {error}") from None

    def __iter__(self) -> Iterator[str]:
        self._read_entry_points()
        return iter(sorted(self._factories))

    def __contains__(self, name: object) -> bool:
        self._read_entry_points()
        return name in self._factories

    def __len__(self) -> int:
        self._read_entry_points()
        return len(self._factories)

    def _read_entry_points(self) -> None:
        if self._entry_points_read:
            return
        self._entry_points_read = True
        for entry in entry_points(group=f"vultus.{self.family}"):
            self.register(entry.name)(entry.load())
