"""What every command shares: where text goes, JSON, tables, progress, what the exit codes mean.

Names of files, people and models come from outside: nothing that is printed here is parsed as
markup, and control characters are shown instead of obeyed. rich is imported when it is needed.
"""

import csv
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from vultus.core.errors import InputError
from vultus.core.notices import was_told
from vultus.core.progress import Progress, tracked
from vultus.core.text import CONTROLS, json_text

if TYPE_CHECKING:
    from rich.console import Console

    from vultus.pipeline.photos import Note, Skipped

T = TypeVar("T")

_HANDFUL = 10
_READABLE = 30  # columns that a sentence needs

# Halves of characters, too: a table would be laid out for one column where six are printed.
_CONTROLS = re.compile(f"[{CONTROLS}\ud800-\udfff]")

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
CsvOption = Annotated[
    bool, typer.Option("--csv", help="Print the table as CSV (RFC 4180) to stdout.")
]
StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="Exit code 2 if any photo was left out, not only if all."),
]


class ExitCode(IntEnum):
    """What ``vultus`` returns to the shell."""

    OK = 0
    """Done; for `verify` and `identify`: a match. What was left out is listed."""
    NO_MATCH = 1
    """Done; for `verify`: two people, for `identify`: unknown."""
    BAD_INPUT = 2
    """An argument or a file cannot be used, or none of the photos; with ``--strict``: one photo."""
    UNAVAILABLE = 3
    """Something needed is not here: a model, a licence, an optional package, memory."""
    INTERNAL = 70
    """A fault of Vultus or of a library; ``--debug`` shows the trace."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""
    BROKEN_PIPE = 141
    """Whoever read the output stopped reading, as ``vultus ... | head`` does."""
    TERMINATED = 143
    """Stopped by SIGTERM; only `train` handles it, and saves first."""


@cache
def console(*, stderr: bool = False) -> "Console":
    """Where results go, or progress, notes and errors."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def visible(text: str) -> str:
    r"""Text whose control characters are written out, so that none reaches the terminal.

    Example:
        >>> visible("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(name: str) -> str:
    r"""The name of a file or a person, as `visible`, on one line whatever is in it.

    Example:
        >>> one_line("new\nline.jpg")
        'new\\nline.jpg'
    """
    return visible(name).replace("\n", "\\n").replace("\t", "\\t")


class NoteHandler(logging.Handler):
    """Prints what the library logs to stderr, one line each, as it prints everything else."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, but what `tell` has said by name."""
        if not was_told(record):
            self.tell(self.format(record))

    def tell(self, text: str) -> None:
        """Print one line."""
        line = one_line(text)
        if console(stderr=True).is_terminal:
            note(line)
        else:
            # Some records come from signal handlers, in the middle of whatever is being printed:
            # rich would then print that a second time.
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def print_json(data: Any) -> None:
    """Print one JSON document to stdout, neither wrapped nor coloured.

    Names that are no UTF-8 come as `json_text` writes them.
    """
    sys.stdout.write(json_text(data, indent=2) + "\n")


def print_json_line(data: Any) -> None:
    """As `print_json` on one line, at once: for whoever reads it as it comes."""
    sys.stdout.write(json_text(data) + "\n")
    sys.stdout.flush()


def say(text: str, *, style: str | None = None) -> None:
    """Print plain text to stdout; the terminal wraps it, so that paths can be copied."""
    console().print(visible(text), style=style, markup=False, emoji=False, soft_wrap=True)


def say_fields(fields: Mapping[str, str]) -> None:
    """Print ``name: value`` lines to stdout, the names in bold."""
    from rich.text import Text

    for name, value in fields.items():
        line = Text.assemble((visible(name), "bold"), ": ", visible(value))
        console().print(line, soft_wrap=True)


def note(text: str, *, style: str | None = None) -> None:
    """Print plain text to stderr, where it does not mix with results."""
    err = console(stderr=True)
    err.print(visible(text), style=style, markup=False, emoji=False, soft_wrap=True)


def fail(message: str, code: ExitCode = ExitCode.BAD_INPUT) -> ExitCode:
    """Say in one line on stderr what is wrong; returns the exit code."""
    from rich.text import Text

    line = Text.assemble(("error:", "bold red"), " ", visible(" ".join(message.splitlines())))
    console(stderr=True).print(line, soft_wrap=True)
    return code


def print_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str | None = None,
    justify: Literal["left", "right"] = "left",
    lines: bool = True,
    style: Callable[[str], str] | None = None,
) -> None:
    """Print a table to stdout; cells are folded, never cut.

    Args:
        head: Names of the columns.
        rows: Cells of plain text.
        title: Above the table.
        justify: Of all columns.
        lines: Without them only the last column is folded, or stands under the others where the
            terminal leaves no room for it.
        style: Gives the colour of a cell by its text; "" for none.
    """
    from rich.box import HEAVY_HEAD, SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = None if title is None else Text(visible(title))
    box = HEAVY_HEAD if lines else SIMPLE_HEAD
    table = Table(title=shown, title_justify="left", box=box, pad_edge=lines)
    cells = [[visible(cell) for cell in row] for row in rows]
    if not lines and console().width - sum(_widths(head, cells)) - 3 * len(head) < _READABLE:
        _print_under(head, cells)
        return
    for name in head:
        kept = not lines and name != head[-1]
        table.add_column(Text(name), justify=justify, overflow="fold", no_wrap=kept)
    for row in cells:
        table.add_row(*(Text(cell, style(cell) if style else "") for cell in row))
    console().print(table)


def _widths(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Of all columns but the last."""
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(head, *rows, strict=True)][:-1]


def _print_under(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a row's last cell on lines of its own, indented, under the others."""
    from rich.cells import set_cell_size
    from rich.padding import Padding
    from rich.text import Text

    widths = _widths(head, rows)
    for style, row in [("bold", head), *(("", row) for row in rows)]:
        cells = zip(row[:-1], widths, strict=True)
        line = "  ".join(set_cell_size(cell, width) for cell, width in cells).rstrip()
        console().print(Text(line, style), soft_wrap=True)
        if not style:
            console().print(Padding(Text(row[-1]), (0, 0, 0, 4), expand=False))


def print_csv(head: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> None:
    """Print a table to stdout as RFC 4180 describes it, with a line of names first.

    Spreadsheets take text that begins with ``= + - @`` for a formula, and a name from outside may
    begin so: such text, never a number, gets a ``'`` before it. Control characters are written out.

    Args:
        head: Names of the columns; empty to go on with a table.
        rows: Cells; None is an empty one.
    """
    # The stream would make two of each line's end on Windows.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(newline="")
    lines = csv.writer(sys.stdout)
    if head:
        lines.writerow(head)
    lines.writerows([_csv_cell(cell) for cell in row] for row in rows)


def _csv_cell(cell: str | float | None) -> str | float | None:
    if not isinstance(cell, str):
        return cell
    shown = visible(cell)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@", "\t", "\n")) else shown


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A `vultus.core.progress.Progress` that shows on a terminal's stderr how far work has come.

    Nothing is shown where stderr is no terminal, or for a handful of items.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    err = console(stderr=True)
    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(visible(what), total=total, visible=total >= _HANDFUL)
            shown.update(tasks[what], completed=done, total=total)

        yield tell


def track(items: Iterable[T], what: str, *, total: int) -> Iterator[T]:
    """Show by a `progress_bar` how far the consumption of ``items`` has come."""
    with progress_bar() as progress:
        yield from tracked(items, what, total=total, progress=progress)


def report_note(told: "Note") -> None:
    """Say on stderr what stops nothing."""
    note(f"note: {told.text}")


def report_enrolled(photos: int, skipped: "Skipped") -> None:
    """Say in one line on stderr how many photos were enrolled, and left out for which reason."""
    counts = skipped.by_reason()
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    left = f", {len(skipped)} left out ({reasons})" if counts else ""
    note(f"{photos} {'photo' if photos == 1 else 'photos'} enrolled{left}")


def report_skipped(skipped: Sequence[Mapping[str, str]]) -> None:
    """Say on stderr which photos were left out and why."""
    for item in skipped:
        note(one_line(f"skipped {item['photo']}: {item['error']}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """How a command that goes on past photos which cannot be used tells of them."""

    json: JsonOption = False
    strict: StrictOption = False

    def end(
        self,
        skipped: Sequence[Mapping[str, str]],
        *,
        done: int,
        code: ExitCode = ExitCode.OK,
    ) -> ExitCode:
        """List on stderr which photos were left out and why; gives the exit code.

        Args:
            skipped: Each with ``photo`` and ``error``.
            done: How much was done: photos, faces.
            code: The answer, where something was done.
        """
        report_skipped(skipped)
        return self.code(len(skipped), done=done, code=code)

    def code(self, skipped: int, *, done: int, code: ExitCode = ExitCode.OK) -> ExitCode:
        """The exit code when ``skipped`` photos were left out, and ``done`` were not."""
        return ExitCode.BAD_INPUT if skipped and (self.strict or not done) else code


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions(ReportOptions):
    """The same, where the result is a table."""

    csv: CsvOption = False

    def __post_init__(self) -> None:
        _check_one_form(csv=self.csv, json=self.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormOptions:
    """How a table is printed by a command that leaves nothing out."""

    json: JsonOption = False
    csv: CsvOption = False

    def __post_init__(self) -> None:
        _check_one_form(csv=self.csv, json=self.json)


def _check_one_form(*, csv: bool, json: bool) -> None:
    if csv and json:
        raise InputError("--csv and --json are two ways to print the result; give one")
