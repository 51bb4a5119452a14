"""Clients that ask at once, each one question after the other; how long they wait."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np

Ask = Callable[[int], None]


def asked_at_once(
    opened: Callable[[], AbstractContextManager[Ask]], numbers: Sequence[int], n: int
) -> tuple[float, float, float]:
    """Ask about all numbers, dealt out to so many threads.

    Args:
        opened: Opens a client, as often as there are threads.
        numbers: What is asked about; each once.
        n: How many ask at once.

    Returns:
        p50 and p99 in ms, and answers a second.

    Raises:
        AssertionError: If a question failed.
    """
    times: list[float] = []

    def go_on(own: Sequence[int]) -> None:
        with opened() as ask:
            for number in own:
                start = time.perf_counter()
                ask(number)
                times.append(1e3 * (time.perf_counter() - start))

    threads = [threading.Thread(target=go_on, args=(numbers[i::n],)) for i in range(n)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - start
    if len(times) != len(numbers):
        raise AssertionError("a question failed")
    return float(np.quantile(times, 0.5)), float(np.quantile(times, 0.99)), len(numbers) / took
