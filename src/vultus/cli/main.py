"""The `vultus` command: puts the commands together and turns errors into exit codes."""

import os
import sys
from collections.abc import Sequence

import typer
from rich.markup import escape

from vultus import __version__
from vultus.cli.data import data
from vultus.cli.demo.demo import demo
from vultus.cli.evaluate.calibrate import calibrate
from vultus.cli.evaluate.evaluate import evaluate
from vultus.cli.evaluate.report import report
from vultus.cli.models import models
from vultus.cli.models.doctor import doctor
from vultus.cli.output import ExitCode, err, out
from vultus.cli.recognise import gallery
from vultus.cli.recognise.align import align
from vultus.cli.recognise.cluster import cluster
from vultus.cli.recognise.detect import detect
from vultus.cli.recognise.embed import embed
from vultus.cli.recognise.identify import identify
from vultus.cli.recognise.verify import verify
from vultus.cli.train import plot
from vultus.cli.train.export import export
from vultus.cli.train.train import train
from vultus.core.errors import (
    LicenceError,
    MissingDependencyError,
    ModelNotFoundError,
    ProviderError,
    VultusError,
)

app = typer.Typer(
    name="vultus",
    help="Face recognition whose decisions carry a stated error rate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# The base of all usage errors; typer carries its own click and gives that class no public name.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

_UNAVAILABLE = (LicenceError, MissingDependencyError, ModelNotFoundError, ProviderError)


def _print_version(value: bool) -> None:
    if value:
        out.print(f"vultus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


for _command in (detect, align, embed, verify, identify, cluster, evaluate, report, doctor, demo):
    app.command()(_command)
app.command()(calibrate)
app.command()(train)
app.command()(export)
app.add_typer(data.app, name="data")
app.add_typer(gallery.app, name="gallery")
app.add_typer(models.app, name="models")
app.add_typer(plot.app, name="plot")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; None takes those of the process.

    Returns:
        An `ExitCode` value. A `VultusError`, and a file or folder that the system refuses, becomes
        one line on stderr, never a stack trace.
    """
    try:
        result = app(args=list(sys.argv[1:] if argv is None else argv), standalone_mode=False)
    except _UsageError as error:
        error.show()  # type: ignore[attr-defined]
        return ExitCode.BAD_INPUT
    except VultusError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        return ExitCode.UNAVAILABLE if isinstance(error, _UNAVAILABLE) else ExitCode.BAD_INPUT
    except OSError as error:
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        reason = f"{where}{error.strerror or error}"
        err.print(f"[bold red]error:[/] {escape(reason)}", soft_wrap=True)
        return ExitCode.BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        err.print("stopped")
        return ExitCode.INTERRUPTED
    return int(result) if isinstance(result, int) else ExitCode.OK
