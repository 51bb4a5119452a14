"""A process that hangs ends itself, so that it is seen as one that died."""

import faulthandler
import os
from collections.abc import Callable
from functools import cache
from typing import Any

_limit_s: float | None = None
"""Of the task that this process is working on."""


def watched(limit_s: float, function: Callable[..., Any], *arguments: Any) -> Any:
    """In a worker: call a function, and end the process if it gets no further.

    The watch is kept by a thread outside Python's: code that holds the interpreter's lock for ever,
    a decoder's loop say, is noticed too.

    Args:
        limit_s: Seconds from the beginning, and from each `got_further`, until the process ends.
        function: What is called.
        arguments: With what.

    Returns:
        What it gave.

    Raises:
        Exception: What it raised.
    """
    global _limit_s
    _limit_s = limit_s
    got_further()
    try:
        return function(*arguments)
    finally:
        _limit_s = None
        faulthandler.cancel_dump_traceback_later()


def got_further() -> None:
    """In a worker: one more item is done; without effect outside `watched`."""
    if _limit_s is not None:
        faulthandler.dump_traceback_later(_limit_s, exit=True, file=_nowhere())


@cache
def _nowhere() -> int:
    """For the stack of what hung: which photo it was is found by who handed it out."""
    return os.open(os.devnull, os.O_WRONLY)
