import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from vultus.training.process.signals import StopRequested, StopSignals


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
import hashlib, sys, time
from vultus.training.process.signals import StopRequested, StopSignals
with StopSignals() as stop:
    print("ready", flush=True)
    while stop.received is None:
        time.sleep(0.01)
    print("remembered", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes in which Python runs no handler
"""


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_process_at_once(second: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WAITING], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "remembered\n"
        process.send_signal(second)
        try:
            assert process.wait(timeout=60) == -second
        finally:
            process.kill()


def kill_and_sleep() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def test_where_nothing_is_half_done_a_signal_is_raised() -> None:
    with StopSignals() as stop:
        with pytest.raises(StopRequested), stop.interruptible():
            kill_and_sleep()
        assert stop.received == signal.SIGTERM
        with pytest.raises(StopRequested), stop.interruptible():
            raise AssertionError("it had come before")
        with stop.interruptible(False):
            pass


def test_behind_an_interruptible_part_a_signal_is_only_remembered() -> None:
    with StopSignals() as stop:
        with stop.interruptible():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == signal.SIGTERM


def test_waiting_for_items_is_interruptible_and_working_on_them_is_not() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        time.sleep(60)

    with StopSignals() as stop:
        assert list(stop.interruptibly([1, 2, 3])) == [1, 2, 3]
        seen: list[int] = []
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(StopRequested):
            seen.extend(stop.interruptibly(items()))
        assert seen == [1, 2]
