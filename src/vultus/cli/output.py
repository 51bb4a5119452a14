"""What every command shares: where text goes, JSON, progress, and what the exit codes mean."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from vultus.core.progress import Progress, tracked

T = TypeVar("T")

_HANDFUL = 10

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
    """An argument, a file or a photo cannot be used; stderr says why. Other photos were done."""
    UNAVAILABLE = 3
    """Something needed is not here: a model, a licence's acceptance, an optional package."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""
    TERMINATED = 143
    """Stopped by SIGTERM; only `train` handles it, and saves first."""


def print_json(data: Any) -> None:
    """Print one JSON document to stdout, neither wrapped nor coloured."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Print plain text to stdout; the terminal wraps it, so that paths can be copied."""
    out.print(text, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """Print plain text to stderr, where it does not mix with results."""
    err.print(text, markup=False, soft_wrap=True)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A `vultus.core.progress.Progress` that shows on a terminal's stderr how far work has come.

    Nothing is shown where stderr is no terminal, or for a handful of items.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with RichProgress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total, visible=total >= _HANDFUL)
            shown.update(tasks[what], completed=done, total=total)

        yield tell


def track(items: Iterable[T], what: str, *, total: int) -> Iterator[T]:
    """Show by a `progress_bar` how far the consumption of ``items`` has come."""
    with progress_bar() as progress:
        yield from tracked(items, what, total=total, progress=progress)


def report_skipped(skipped: Sequence[Mapping[str, str]], *, quiet: bool = False) -> None:
    """Say on stderr which photos were left out and why; ``quiet`` when the JSON says it."""
    if quiet:
        return
    for item in skipped:
        note(f"skipped {item['photo']}: {item['error']}")
