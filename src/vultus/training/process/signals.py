"""SIGTERM and Ctrl-C: remembered, so that a run can finish or drop its step and save."""

import logging
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_T = TypeVar("_T")


class StopRequested(BaseException):  # as KeyboardInterrupt: not to be caught with errors
    """A signal came where nothing was half done."""


class StopSignals:
    """While this context lasts, the first SIGTERM or SIGINT is only remembered.

    Inside `interruptible` it is also raised, there and then. A second one ends the process at once,
    as if nobody had handled it, even where it is deep in a library's call. The handlers that were
    there before come back at the end. Outside the main thread, where Python allows no handlers, it
    does nothing.

    Forked worker processes have the same handlers, so Ctrl-C, which goes to all processes of a
    terminal, does not end them before the step is done.

    Attributes:
        received: Number of the signal, or None.

    Example:
        >>> with StopSignals() as stop:
        ...     os.kill(os.getpid(), signal.SIGTERM)
        ...     stop.received == signal.SIGTERM, stop.exit_code
        (True, 143)
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}
        self._raises = False

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program ended by this signal: 128 + its number; 0 for none."""
        return 0 if self.received is None else 128 + self.received

    @contextmanager
    def interruptible(self, on: bool = True) -> Iterator[None]:
        """In here, a signal raises `StopRequested` instead of waiting for the end.

        Args:
            on: False changes nothing.

        Raises:
            StopRequested: Also at the start, if a signal has come already.
        """
        if not on:
            yield
            return
        try:
            self._raises = True
            if self.received is not None:
                raise StopRequested
            yield
        finally:
            self._raises = False

    def interruptibly(self, items: Iterable[_T]) -> Iterator[_T]:
        """The items, where waiting for each is `interruptible`."""
        iterator, end = iter(items), object()
        while True:
            with self.interruptible():
                item: Any = next(iterator, end)
            if item is end:
                return
            yield item

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:  # both came before either was looked at
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        for each in self._before:  # the kernel's to answer: Python looks between its own steps only
            signal.signal(each, signal.SIG_DFL)
        self.received = number
        logger.warning(
            "%s: saving; a second one ends the run without saving", signal.Signals(number).name
        )
        if self._raises:
            self._raises = False
            raise StopRequested
