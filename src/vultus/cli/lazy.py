"""Commands that are imported when they are asked for, so that `vultus --version` is quick."""

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any

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
