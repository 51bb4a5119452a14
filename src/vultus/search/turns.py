"""Turns of threads: many may read at once, who writes is alone."""

from threading import Condition
from types import TracebackType


class Turns:
    """A lock of two kinds; who waits to write goes before who comes to read later."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.n_reading = 0
        self.n_waiting = 0
        self.is_written = False
        self._reading, self._writing = _Reading(self), _Writing(self)

    def reading(self) -> "_Reading":
        """With others that read; must not be asked for inside itself."""
        return self._reading

    def writing(self) -> "_Writing":
        """Alone."""
        return self._writing


class _Turn:
    """What `with` takes. It holds nothing of a thread's own, so one serves all of them.

    A generator made for each turn takes as long as adding a vector does.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns


class _Reading(_Turn):
    def __enter__(self) -> None:
        turns = self._turns
        with turns.changed:
            while turns.is_written or turns.n_waiting:
                turns.changed.wait()
            turns.n_reading += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        turns = self._turns
        with turns.changed:
            turns.n_reading -= 1
            if not turns.n_reading:
                turns.changed.notify_all()


class _Writing(_Turn):
    def __enter__(self) -> None:
        turns = self._turns
        with turns.changed:
            if turns.is_written or turns.n_reading:
                self._wait()
            turns.is_written = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        turns = self._turns
        with turns.changed:
            turns.is_written = False
            turns.changed.notify_all()

    def _wait(self) -> None:
        turns = self._turns
        turns.n_waiting += 1
        try:
            while turns.is_written or turns.n_reading:
                turns.changed.wait()
        finally:
            turns.n_waiting -= 1
            turns.changed.notify_all()  # who reads goes on, should this one be interrupted
