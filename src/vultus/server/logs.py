"""The log of a service: one line an event, of words that were chosen, never of what was sent.

A line says which operation failed and where in the code, and not what it failed on: the message
of an error from inside may hold a name, and is left out.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import PurePath
from traceback import extract_tb
from types import TracebackType
from typing import Any, Literal, TextIO

LogFormat = Literal["text", "json"]

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that is being worked on, in its task and in the threads that work for it."""

_FRAMES = 12
_OURS = "vultus"
_LOUD = ("uvicorn.access", "httpx", "httpcore")
"""Loggers that write whole addresses, with what is asked for."""
_PLAIN = (
    "vultus.server",
    "vultus.runtime",
    "vultus.models",
    "vultus.embedding",
    "vultus.pipeline.trust_head",
    "vultus.pipeline.photos",  # whose notes have words for a log
    "uvicorn.error",
    "opentelemetry.exporter",  # of the collector that it cannot reach
)
"""Loggers that speak of models, the service itself and its collector: all they say is written."""
_FIRST_LINE = ("asyncio",)
"""Those that begin with a fixed sentence and go on with values."""
_LEFT_OUT = "(left out)"


def told(logger: logging.Logger, level: int, event: str, fields: Mapping[str, Any]) -> None:
    """Write a line of fields.

    Args:
        logger: Whose line it is.
        level: Of `logging`.
        event: What happened, in a word: ``"request"``.
        fields: Plain values, fit for JSON; those that are None are left out. Nothing that was sent.
    """
    kept = {name: value for name, value in fields.items() if value is not None}
    logger.log(level, json.dumps(kept), extra={"event": event, "fields": kept})


def where(trace: TracebackType | None) -> list[str]:
    """Where in the code an error came from, the innermost last: ``file.py:12 in function``.

    No message, no values, no line of code: these may be somebody's.
    """
    frames = extract_tb(trace)[-_FRAMES:]
    return [f"{PurePath(at.filename).name}:{at.lineno} in {at.name}" for at in frames]


class Lines(logging.Formatter):
    """Each record as a line.

    Args:
        form: ``text`` for people, ``json`` for programs: one object a line.
    """

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self._json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the time in UTC; of an error its kind and place alone."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = dict(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            fields["failure"] = record.exc_info[0].__name__
            fields["where"] = where(record.exc_info[2])
        if (request := REQUEST_ID.get()) is not None:
            fields.setdefault("request", request)
        event = getattr(record, "event", None)
        if self._json:
            line = {"at": at, "level": record.levelname, "logger": record.name}
            said = {"event": event} if event else {"message": _words(record)}
            return json.dumps(line | said | fields)
        words = event or _words(record)
        return f"{at} {record.levelname} {words}" + (f" {json.dumps(fields)}" if fields else "")


def log_to(stream: TextIO | None = None, *, form: LogFormat = "text") -> logging.Handler:
    """Write the log of this process to a stream: what Vultus tells, and warnings of all others.

    Args:
        stream: Where to; None for the standard error stream.
        form: As `Lines`.

    Returns:
        What writes it, at the root of all loggers.
    """
    for name in _LOUD:
        logging.getLogger(name).disabled = True
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(Lines(form))
    logging.getLogger().addHandler(handler)
    logging.getLogger(_OURS).setLevel(logging.INFO)
    threading.excepthook = _of_thread
    return handler


def _words(record: logging.LogRecord) -> str:
    """What a record says, in one line, without what somebody may have sent."""
    if any(_within(record.name, plain) for plain in _PLAIN):
        return " ".join(record.getMessage().split())
    if record.name in _FIRST_LINE:
        return str(record.msg).partition("\n")[0]
    if not _within(record.name, _OURS):
        return f"{_LEFT_OUT} a message of {record.name}"
    try:
        return " ".join((str(record.msg) % _kept(record.args)).split())
    except (TypeError, ValueError):
        return _LEFT_OUT


def _kept(arguments: object) -> object:
    """Numbers as they are; a text may be a name of a person or of their photo."""
    if isinstance(arguments, tuple):
        return tuple(_kept(argument) for argument in arguments)
    if isinstance(arguments, Mapping):
        return {name: _kept(argument) for name, argument in arguments.items()}
    return arguments if isinstance(arguments, int | float) else _LEFT_OUT


def _within(name: str, group: str) -> bool:
    return name == group or name.startswith(f"{group}.")


def _of_thread(args: threading.ExceptHookArgs) -> None:
    """A thread that failed: Python itself would write the message of its error."""
    fields = {"failure": args.exc_type.__name__, "where": where(args.exc_traceback)}
    told(logging.getLogger("vultus.server"), logging.ERROR, "thread", fields)
