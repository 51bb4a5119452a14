"""The `vultus` command: puts the commands together and turns errors into exit codes."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import typer

from vultus import __version__
from vultus.cli.lazy import FullHelpGroup, command_group, with_commands
from vultus.cli.output import ExitCode, fail
from vultus.core.errors import (
    LicenceError,
    MissingDependencyError,
    ModelNotFoundError,
    ProviderError,
    VultusError,
)
from vultus.core.text import option_words

# The base of all usage errors; typer carries its own click and gives that class no public name.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

_UNAVAILABLE = (LicenceError, MissingDependencyError, ModelNotFoundError, ProviderError)

_DATA = command_group(
    "Data sets to train on: make, look at, clean and convert them.",
    {
        "info": "vultus.cli.data.data:info",
        "convert": "vultus.cli.data.data:convert_dataset",
        "pairs": "vultus.cli.data.data_pairs:pairs",
        "align": "vultus.cli.data.data_align:align",
        "audit": "vultus.cli.data.data_audit:audit",
        "apply": "vultus.cli.data.data_apply:apply",
        "undo": "vultus.cli.data.data_apply:undo",
    },
)
_GALLERY = command_group(
    "Enrolled people in one local file.",
    {
        "enroll": "vultus.cli.recognise.gallery:enroll",
        "list": "vultus.cli.recognise.gallery:list_people",
        "remove": "vultus.cli.recognise.gallery:remove",
        "identify": "vultus.cli.recognise.gallery:identify",
    },
)
_MODELS = command_group(
    "Model files: list, get, check, import. Their licences differ; `show` states them.",
    {
        "list": "vultus.cli.models.models:list_models",
        "show": "vultus.cli.models.models:show",
        "pull": "vultus.cli.models.models:pull",
        "verify": "vultus.cli.models.models:verify",
        "path": "vultus.cli.models.models:path",
        "import": "vultus.cli.models.models_import:import_model",
        "remove": "vultus.cli.models.models:remove",
    },
)
_PLOT = command_group(
    "Pictures of losses and of training data.",
    {
        "augmentations": "vultus.cli.train.plot_data:augmentations",
        "synthetic-faces": "vultus.cli.train.plot_data:synthetic_faces",
        "target-logit": "vultus.cli.train.plot:target_logit",
        "toy": "vultus.cli.train.plot:toy",
    },
)
_COMMANDS = {
    "detect": "vultus.cli.recognise.detect:detect",
    "align": "vultus.cli.recognise.align:align",
    "embed": "vultus.cli.recognise.embed:embed",
    "verify": "vultus.cli.recognise.verify:verify",
    "identify": "vultus.cli.recognise.identify:identify",
    "cluster": "vultus.cli.recognise.cluster:cluster",
    "gallery": _GALLERY,
    "evaluate": "vultus.cli.evaluate.evaluate:evaluate",
    "report": "vultus.cli.evaluate.report:report",
    "calibrate": "vultus.cli.evaluate.calibrate:calibrate",
    "data": _DATA,
    "train": "vultus.cli.train.train:train",
    "export": "vultus.cli.train.export:export",
    "plot": _PLOT,
    "models": _MODELS,
    "doctor": "vultus.cli.models.doctor:doctor",
    "demo": "vultus.cli.demo.demo:demo",
}

_app = typer.Typer(
    name="vultus",
    cls=FullHelpGroup,
    help="Face recognition whose decisions carry a stated error rate.",
    add_completion=False,
    rich_markup_mode=None,
)


def _print_version(value: bool) -> None:
    if value:
        print(f"vultus {__version__}")  # noqa: T201
        raise typer.Exit


@_app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


commands = with_commands(_app, _COMMANDS)
"""The whole command; those below it by name in ``commands.commands``, imported when looked up."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; None takes those of the process. None of them
            prints the help.

    Returns:
        An `ExitCode` value. A `VultusError`, and a file or folder that the system refuses, becomes
        one line on stderr, never a stack trace.
    """
    for stream in (sys.stdout, sys.stderr):
        # Names of files need not be UTF-8; their raw bytes would reach the terminal.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        with option_words():
            result = commands.main(arguments, prog_name="vultus", standalone_mode=False)
    except _UsageError as error:
        return fail(_usage(error))
    except VultusError as error:
        unavailable = isinstance(error, _UNAVAILABLE)
        return fail(str(error), ExitCode.UNAVAILABLE if unavailable else ExitCode.BAD_INPUT)
    except OSError as error:
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return fail(f"{where}{error.strerror or error}")
    except (KeyboardInterrupt, typer.Abort):
        return fail("stopped", ExitCode.INTERRUPTED)
    return int(result) if isinstance(result, int) else ExitCode.OK


def _usage(error: Exception) -> str:
    """What was wrong with the arguments, in one line, and where the help is."""
    context = getattr(error, "ctx", None)
    path = "vultus" if context is None else context.command_path
    message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    return f"{message.rstrip('.')}; see `{path} --help`"
