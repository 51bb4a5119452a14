import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from vultus.training.signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_remembered_and_the_old_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignals() as stop:
        assert (stop.received, stop.exit_code) == (None, 0)
        os.kill(os.getpid(), number)
        assert (stop.received, stop.exit_code) == (number, 128 + number)
    assert signal.getsignal(number) is before


def test_in_another_thread_it_does_nothing() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def enter() -> None:
        with StopSignals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


_WAITING = """
import sys, time
from vultus.training.signals import StopSignals
with StopSignals() as stop:
    print("ready", flush=True)
    while stop.received is None:
        time.sleep(0.01)
    print("remembered", flush=True)
    time.sleep(60)
"""


def test_a_second_signal_ends_the_process_at_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WAITING], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "remembered\n"
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait() == -signal.SIGINT
        assert time.monotonic() - begin < 10
