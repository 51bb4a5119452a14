"""Write docs/reference/cli.md from the commands themselves; a test checks that it is current."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vultus.cli.main import commands
from vultus.cli.output import ExitCode

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"
HEAD = """# Command line

Written by `python scripts/cli_reference.py`; do not edit by hand.

Results go to stdout, progress and errors to stderr. Every command that gives a result has `--json`.

Names come from outside, and are printed as they are, never as markup. Control characters in them
are written out (`\\x1b`). A file's name need not be UTF-8: each byte of it that is none is written
as `\\udcXX` (`caf\\udce9.jpg`), in text, in the JSON and in JSON files; what Python reads from that
JSON, `os.fsencode` turns into the file's name. Names of people, and of files in lists, manifests
and zips, must be UTF-8.

| exit code | meaning |
|---|---|
"""
EXIT_MEANINGS = {
    ExitCode.OK: "done, and what was left out is listed; for `verify` and `identify`: a match",
    ExitCode.NO_MATCH: "done; for `verify`: two people; for `identify`: someone is unknown",
    ExitCode.BAD_INPUT: "an argument or a file cannot be used, or none of the photos; with "
    "`--strict`: one of the photos",
    ExitCode.UNAVAILABLE: "something needed is not here: a model, its download, a licence's "
    "acceptance, an optional package, memory",
    ExitCode.INTERNAL: "a fault of Vultus or of a library: to be reported, with the trace that "
    "`--debug` (or `VULTUS_DEBUG=1`) shows",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C",
    ExitCode.BROKEN_PIPE: "who read the output stopped reading, as `head` does when it has enough",
    ExitCode.TERMINATED: "stopped by SIGTERM; only `train` handles it, and saves first",
}


def reference() -> str:
    """The page as text."""
    codes = "".join(f"| {code:d} | {meaning} |\n" for code, meaning in EXIT_MEANINGS.items())
    return HEAD + codes + "\n" + "\n".join(_pages(commands, "vultus"))


def _pages(command: Any, path: str) -> Iterator[str]:
    if hasattr(command, "own"):  # a command that has others below it
        yield from _pages(command.own, path)
    if hasattr(command, "commands"):
        for name, child in sorted(command.commands.items()):
            yield from _pages(child, f"{path} {name}")
        return
    yield f"## {path}\n\n{inspect.cleandoc(command.help or '')}\n"
    rows = [row for parameter in command.params if (row := _row(parameter))]
    if rows:
        yield "| argument or option | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _row(parameter: Any) -> str:
    if parameter.name == "help":
        return ""
    if parameter.param_type_name == "argument":
        text = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        flags = [*parameter.opts, *parameter.secondary_opts]
        text = ", ".join(f"`{flag}`" for flag in flags)
    default = parameter.default
    shown = "" if default is None or callable(default) or parameter.required else f"`{default}`"
    if isinstance(default, bool):
        shown = "on" if default else "off"
    needed = "required" if parameter.required else shown
    return f"| {text} | {needed} | {(parameter.help or '').replace('|', '/')} |"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
