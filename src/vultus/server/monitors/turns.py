"""Whose frame is worked on: requests go first, then monitors in turns."""

import threading
import time
from collections.abc import Callable

_LOOK_S = 0.01


class Turns:
    """A context manager around the work on one frame.

    Args:
        busy: Tells how many requests are being worked on.
        at_once: Of how many monitors a frame is worked on at once.
        patience_s: A frame waits for requests for so long at most, in seconds: monitors become
            slow while many ask, and do not stop.
    """

    def __init__(
        self, busy: Callable[[], int], *, at_once: int = 1, patience_s: float = 0.5
    ) -> None:
        self._busy, self._patience_s = busy, patience_s
        self._places = threading.BoundedSemaphore(at_once)

    def __enter__(self) -> "Turns":
        until = time.monotonic() + self._patience_s
        while self._busy() and time.monotonic() < until:
            time.sleep(_LOOK_S)
        self._places.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._places.release()
