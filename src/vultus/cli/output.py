"""What every command shares: where text goes, JSON, and what the exit codes mean."""

import json
from enum import IntEnum
from typing import Annotated, Any

import typer
from rich.console import Console

__all__ = ["ExitCode", "JsonOption", "err", "out", "print_json"]

out = Console(highlight=False)
"""Results: stdout."""

err = Console(stderr=True, highlight=False)
"""Progress, notes and errors: stderr."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]


class ExitCode(IntEnum):
    """What ``vultus`` returns to the shell."""

    OK = 0
    """Done; for `verify` and `identify`: a match."""
    NO_MATCH = 1
    """Done; for `verify`: two people, for `identify`: unknown."""
    BAD_INPUT = 2
    """An argument, a file or a photo cannot be used; one line on stderr says why."""
    UNAVAILABLE = 3
    """Something needed is not here: a model, a licence's acceptance, an optional package."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""


def print_json(data: Any) -> None:
    """Print one JSON document to stdout, not wrapped or coloured."""
    out.print(json.dumps(data, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)
