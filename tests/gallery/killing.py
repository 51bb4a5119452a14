"""A process that is killed at work: what it had told before is what counts."""

import multiprocessing
import time
from collections.abc import Callable

import numpy as np


def killed_at(
    work: Callable[..., None],
    *given: object,
    start: int,
    most: int,
    preload: str,
    rng: np.random.Generator,
) -> int:
    """Let a process work, and kill it soon; gives the last number that it told.

    Args:
        work: Called with what is given and a connection, by which it tells each step that is done.
        given: Fit to be sent to a process.
        start: What is given back where it told nothing.
        most: Steps after which it is killed at the latest.
        preload: A module that the work needs.
        rng: Decides when.
    """
    # Started of a process that has imported everything: a thousand rounds take minutes.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload, "numpy"])
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=work, args=(*given, there))
    child.start()
    there.close()
    last = start
    try:
        for _ in range(int(rng.integers(1, most + 1))):
            last = here.recv()
        time.sleep(float(rng.uniform(0, 0.02)))
        child.kill()
        while True:
            last = here.recv()  # what was told before the kill
    except EOFError:
        pass
    child.join()
    here.close()
    assert child.exitcode == -9
    return last
