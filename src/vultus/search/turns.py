"""Turns of threads: many may read at once, who writes is alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """A lock of two kinds; who waits to write goes before who comes to read later."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._n_reading = 0
        self._n_waiting = 0
        self._writing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """With others that read; must not be asked for inside itself."""
        with self._changed:
            while self._writing or self._n_waiting:
                self._changed.wait()
            self._n_reading += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_reading -= 1
                if not self._n_reading:
                    self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone."""
        with self._changed:
            self._n_waiting += 1
            try:
                while self._writing or self._n_reading:
                    self._changed.wait()
            finally:
                self._n_waiting -= 1
                self._changed.notify_all()
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
