"""A lock between processes: who downloads, while the others wait."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def file_lock(path: Path, *, poll_s: float = 0.1) -> Iterator[None]:
    """Hold the lock of this file; waits as long as another process or thread holds it.

    The operating system holds the lock, so one whose process died is free at once; the empty file
    stays behind, because deleting it would let two processes lock two files of one name.

    Args:
        path: The lock file; made if it is not there.
        poll_s: Seconds between two tries.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _wait(descriptor, path, poll_s)
        yield
    finally:
        os.close(descriptor)  # which also unlocks


def _wait(descriptor: int, path: Path, poll_s: float) -> None:
    told = False
    while True:
        try:
            _try_lock(descriptor)
        except (BlockingIOError, PermissionError):  # the latter on Windows
            if not told:
                _log.info("waiting for another process that holds %s", path)
                told = True
            time.sleep(poll_s)
        else:
            return
