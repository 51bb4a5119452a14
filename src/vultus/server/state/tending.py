"""Something that is done again and again while a service runs, by a thread of its own."""

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger("vultus.server")


class Tending:
    """Does something every so many seconds; what fails is done again the next time.

    Args:
        name: Of the thread.
        do: What.
        every_s: Seconds from the end of one to the next.
    """

    def __init__(self, name: str, do: Callable[[], object], *, every_s: float) -> None:
        self._name, self._do, self._every_s = name, do, every_s
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, after what is being done."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._every_s):
            try:
                self._do()
            except Exception as error:  # noqa: BLE001 - the thread must live; the next time comes
                if not self._failed:  # told once, not twice a second while a database is away
                    logger.error("%s: failed, goes on: %s", self._name, type(error).__name__)
                self._failed = True
            else:
                self._failed = False
