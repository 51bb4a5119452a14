"""What is to be known of somebody's file: to the log without its name, by name to who asked.

A log outlives an erasure, and names of photos are often names of people. Who sits at the terminal
needs the name to find the file.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str], None]
"""Told one line."""

# Not a context variable: photos are decoded by threads of their own.
_listening: list[Tell] = []


@contextmanager
def named_notices(tell: Tell) -> Iterator[None]:
    """Inside, what is to be known of a file is told with its name, too.

    Args:
        tell: Told each line; for a terminal, never for a log.
    """
    _listening.append(tell)
    try:
        yield
    finally:
        _listening.remove(tell)


def give_notice(logger: logging.Logger, named: str, *, logged: str) -> None:
    """Warn of something about a file.

    Args:
        logger: Where it is logged.
        named: What there is to know, with the file's name.
        logged: The same without: no name of a photo or person, nor an error's text, which has one.
    """
    for tell in _listening:
        tell(named)
    logger.warning("%s", logged, extra={"told": bool(_listening)})


def was_told(record: logging.LogRecord) -> bool:
    """Whether who asked has been told by name what a record says without."""
    return bool(getattr(record, "told", False))
