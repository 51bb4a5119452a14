"""Commands that are imported when they are asked for, so that `vultus --version` is quick."""

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperGroup

from vultus.cli.flatten import flatten

# Help texts are shown as they are: `[KEY=VALUE]` is no markup.
_SETTINGS: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None}


class LazyCommands(UserDict[str, Any]):
    """Commands by name, for the ``commands`` of a group; ``module:function`` until looked up."""

    def __getitem__(self, name: str) -> Any:
        found = self.data[name]
        if isinstance(found, str):
            module, _, function = found.partition(":")
            app = typer.Typer(**_SETTINGS)
            app.command(name)(flatten(getattr(import_module(module), function)))
            found = self.data[name] = typer.main.get_command(app)
        return found


class FullHelpGroup(TyperGroup):
    """Shows the whole first paragraph of each command's help, wrapped; Click would cut it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, (item.help or "").split("\n\n")[0]) for name, item in self.commands.items()]
            )


class CommandWithMore(FullHelpGroup):
    """A command of its own that has others below it: ``evaluate lfw`` and ``evaluate groups``.

    The first word decides: the name of one below leads there, anything else to the command itself,
    whose help is the one of both.
    """

    @property
    def own(self) -> Any:
        """The command itself."""
        return self._own[self.name or ""]

    def with_own(self, name: str, place: str) -> "CommandWithMore":
        """Set the command itself: ``module:function``."""
        self.name = name
        self._own = LazyCommands({name: place})
        return self

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Of the command that the arguments mean."""
        if args and args[0] in self.commands:
            return super().make_context(info_name, args, parent, **extra)
        return self.own.make_context(info_name, args, parent, **extra)

    def get_short_help_str(self, limit: int = 45) -> str:
        """That of the command itself."""
        return str(self.own.get_short_help_str(limit))


def command_with_more(name: str, place: str, commands: Mapping[str, Any]) -> CommandWithMore:
    """A command that has others below it.

    Args:
        name: Its name.
        place: ``module:function`` of the command itself.
        commands: Those below it, by name: ``module:function``.
    """
    app = typer.Typer(cls=CommandWithMore, **_SETTINGS)
    app.callback()(lambda: None)
    group = cast("CommandWithMore", with_commands(app, commands))
    return group.with_own(name, place)


def command_group(help_text: str, commands: Mapping[str, Any]) -> TyperGroup:
    """A group of commands.

    Args:
        help_text: What they are about.
        commands: By name: ``module:function``, or a group.
    """
    app = typer.Typer(help=help_text, cls=FullHelpGroup, **_SETTINGS)
    app.callback()(lambda: None)
    return with_commands(app, commands)


def with_commands(app: typer.Typer, commands: Mapping[str, Any]) -> TyperGroup:
    """The group that an app's callback describes, with these commands."""
    group = typer.main.get_group(app)
    group.commands = LazyCommands(commands)
    return group
