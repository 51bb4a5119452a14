"""The `vultus` command: puts the commands together and turns errors into exit codes."""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper

import typer

from vultus import __version__
from vultus.cli.lazy import FullHelpGroup, command_group, command_with_more, with_commands
from vultus.cli.output import ExitCode, NoteHandler, fail
from vultus.core.errors import (
    DownloadError,
    LicenceError,
    MissingDependencyError,
    ModelNotFoundError,
    ProviderError,
    VultusError,
)
from vultus.core.notices import named_notices
from vultus.core.text import option_words

# The base of all usage errors; typer carries its own click and gives that class no public name.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

_UNAVAILABLE = (
    DownloadError,
    LicenceError,
    MissingDependencyError,
    ModelNotFoundError,
    ProviderError,
)

_DEBUG = "--debug"
_DEBUG_VARIABLE = "VULTUS_DEBUG"

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
    "Enrolled people in one local file, or in a database.",
    {
        "enroll": "vultus.cli.recognise.gallery:enroll",
        "enroll-video": "vultus.cli.video.enroll_video:enroll_video",
        "create": "vultus.cli.gallery.people:create",
        "import": "vultus.cli.gallery.bulk:import_",
        "list": "vultus.cli.recognise.gallery:list_people",
        "show": "vultus.cli.gallery.people:show",
        "rename": "vultus.cli.gallery.people:rename",
        "note": "vultus.cli.gallery.people:note",
        "merge": "vultus.cli.gallery.people:merge",
        "merges": "vultus.cli.gallery.people:merges",
        "undo": "vultus.cli.gallery.people:undo",
        "remove": "vultus.cli.recognise.gallery:remove",
        "review": command_group(
            "Faces that wait for somebody to say who they are.",
            {
                "allow": "vultus.cli.gallery.review:allow",
                "forbid": "vultus.cli.gallery.review:forbid",
                "list": "vultus.cli.gallery.review:list_faces",
                "assign": "vultus.cli.gallery.review:assign",
                "deny": "vultus.cli.gallery.review:deny",
                "dismiss": "vultus.cli.gallery.review:dismiss",
            },
        ),
        "events": "vultus.cli.gallery.events:events",
        "keep-events": "vultus.cli.gallery.events:keep_events",
        "crops": command_group(
            "Aligned crops of enrolled faces, for another model to embed.",
            {
                "allow": "vultus.cli.gallery.migrate:allow_crops",
                "forbid": "vultus.cli.gallery.migrate:forbid_crops",
            },
        ),
        "migrate": "vultus.cli.gallery.migrate:migrate",
        "identify": "vultus.cli.recognise.gallery:identify",
        "verify": "vultus.cli.gallery.faces:verify",
        "search": "vultus.cli.gallery.faces:search",
        "threshold": "vultus.cli.recognise.gallery_threshold:threshold",
        "erase": "vultus.cli.gallery.upkeep:erase",
        "expire": "vultus.cli.gallery.upkeep:expire",
        "export": "vultus.cli.gallery.upkeep:export",
        "backup": "vultus.cli.gallery.upkeep:backup",
        "restore": "vultus.cli.gallery.upkeep:restore",
        "check": "vultus.cli.gallery.upkeep:check",
        "audit": command_group(
            "Who did and decided what in a gallery.",
            {
                "list": "vultus.cli.gallery.audit:list_entries",
                "head": "vultus.cli.gallery.audit:head",
                "verify": "vultus.cli.gallery.audit:verify",
                "export": "vultus.cli.gallery.audit:export",
            },
        ),
        "key": command_group("Keys of galleries.", {"new": "vultus.cli.gallery.keys:new"}),
        "rekey": "vultus.cli.gallery.keys:rekey",
    },
)
_DATABASE = command_group(
    "A PostgreSQL database whose galleries several machines share.",
    {
        "upgrade": "vultus.cli.gallery.database:upgrade",
        "list": "vultus.cli.gallery.database:list_galleries",
        "scrub": "vultus.cli.gallery.database:scrub",
        "remove": "vultus.cli.gallery.database:remove",
    },
)
_ATTENDANCE = command_group(
    "Who was here when, by the events of cameras.",
    {"report": "vultus.cli.video.attendance:report"},
)
_BULK = command_group(
    "Very many photos, by many processes of this machine or of a Dask cluster.",
    {
        "embed": "vultus.cli.bulk.embed:embed",
        "cluster": "vultus.cli.bulk.cluster:cluster",
        "enroll": "vultus.cli.bulk.enroll:enroll",
        "audit": "vultus.cli.bulk.audit:audit",
    },
)
_CACHE = command_group(
    "What is kept of photos that were searched, so that they need not be looked at again.",
    {
        "clear": "vultus.cli.recognise.cache:clear",
        "forget": "vultus.cli.recognise.cache:forget",
    },
)
_BASELINE = command_group(
    "Classical heads on embeddings, to compare with: Joint Bayesian, PCA and SVM, joined features.",
    {
        "fit": "vultus.cli.evaluate.baseline:fit",
        "join": "vultus.cli.evaluate.baseline:join",
    },
)
_EVALUATE = command_with_more(
    "evaluate",
    "vultus.cli.evaluate.evaluate:evaluate",
    {"groups": "vultus.cli.evaluate.evaluate_groups:evaluate_groups"},
)
_LIVENESS = command_with_more(
    "liveness",
    "vultus.cli.liveness.liveness:liveness",
    {
        "evaluate": "vultus.cli.liveness.evaluate:evaluate",
        "train": "vultus.cli.liveness.train:train",
        "convert": "vultus.cli.liveness.convert:convert",
        "session": "vultus.cli.liveness.session:session",
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
    "find": "vultus.cli.recognise.find:find",
    "cache": _CACHE,
    "cluster": "vultus.cli.recognise.cluster:cluster",
    "bulk": _BULK,
    "gallery": _GALLERY,
    "database": _DATABASE,
    "watch": "vultus.cli.video.watch:watch",
    "attendance": _ATTENDANCE,
    "liveness": _LIVENESS,
    "serve": "vultus.cli.serve.serve:serve",
    "evaluate": _EVALUATE,
    "report": "vultus.cli.evaluate.report:report",
    "calibrate": "vultus.cli.evaluate.calibrate:calibrate",
    "calibrate-trust": "vultus.cli.evaluate.calibrate_trust:calibrate_trust",
    "baseline": _BASELINE,
    "data": _DATA,
    "train": "vultus.cli.train.train:train",
    "train-trust": "vultus.cli.train.train_trust:train_trust",
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
    debug: bool = typer.Option(
        False,
        _DEBUG,
        help=f"Show the trace of an error; anywhere in the line, or {_DEBUG_VARIABLE}=1.",
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
        An `ExitCode` value. Whatever goes wrong becomes one line on stderr; a stack trace is for
        who asks for it by ``--debug`` or ``VULTUS_DEBUG=1``.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, as by `vultus ... >&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for all
        # Names of files need not be UTF-8; their raw bytes would reach the terminal.
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    told = NoteHandler(logging.WARNING)
    logging.getLogger("vultus").addHandler(told)
    arguments, debug = _without_debug(list(sys.argv[1:] if argv is None else argv))
    try:
        with option_words(), named_notices(told.tell):
            arguments = arguments or ["--help"]
            result = commands.main(arguments, prog_name="vultus", standalone_mode=False)
        # What does not fit on a disk, or nobody reads any more, is told while it can be.
        sys.stdout.flush()
    # Libraries end by SystemExit, too, whose code would be taken for an answer of ours.
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - the last resort
        if debug:
            traceback.print_exc()
        return _failed(error)
    finally:
        logging.getLogger("vultus").removeHandler(told)
    return int(result) if isinstance(result, int) else ExitCode.OK


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """The arguments without ``--debug``, and whether traces are asked for."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument != _DEBUG]
    variable = os.environ.get(_DEBUG_VARIABLE, "").lower()
    debug = len(kept) < end or variable not in ("", "0", "false", "no", "off")
    return kept + arguments[end:], debug


def _failed(error: BaseException) -> ExitCode:
    """Say what went wrong; gives the exit code."""
    # Click and rich turn it into SystemExit.
    cause = error.__context__ if isinstance(error, SystemExit) else error
    if isinstance(cause, BrokenPipeError):
        # Else Python, flushing at its end, would complain.
        with open(os.devnull, "wb") as nowhere, suppress(OSError, ValueError, AttributeError):
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return fail("stopped", ExitCode.INTERRUPTED)
    if isinstance(error, _UsageError):
        return fail(_usage(error))
    if isinstance(error, VultusError):
        unavailable = isinstance(error, _UNAVAILABLE)
        return fail(str(error), ExitCode.UNAVAILABLE if unavailable else ExitCode.BAD_INPUT)
    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return fail(f"{where}{error.strerror or error}")
    if isinstance(error, UnicodeEncodeError):  # halves of characters come from names of files
        near = error.object[max(0, error.start - 80) : error.end + 20]
        return fail(f"{near!a} is no UTF-8, and cannot be kept as text; rename it")
    # torch has a class of its own, and torch may not be here.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return fail(f"there is not enough memory{_after_colon(error)}", ExitCode.UNAVAILABLE)
    return fail(
        f"internal error: {type(error).__name__}{_after_colon(error)}; run again with {_DEBUG} for "
        "the trace, and report it",
        ExitCode.INTERNAL,
    )


def _after_colon(error: BaseException) -> str:
    return f": {error}" if str(error) else ""


def _usage(error: Exception) -> str:
    """What was wrong with the arguments, in one line, and where the help is."""
    context = getattr(error, "ctx", None)
    path = "vultus" if context is None else context.command_path
    message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    return f"{message.rstrip('.')}; see `{path} --help`"
