import subprocess
import sys

import pytest

from vultus.bulk.hanging import got_further, watched

HANGS = """
from vultus.bulk.hanging import got_further, watched
import time

def work(n):
    for _ in range(n):
        time.sleep(0.3)
        got_further()
    print("got through", flush=True)
    {after}

watched(1.5, work, 7)
time.sleep(2)
print("ended")
"""


def ended(after: str) -> subprocess.CompletedProcess[str]:
    script = HANGS.format(after=after)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "after", ["time.sleep(600)", "import re; re.match('(a+)+$', 'a' * 60 + 'b')"]
)
def test_what_hangs_ends_its_process_also_with_the_interpreter_s_lock_held(after: str) -> None:
    done = ended(after)
    assert done.returncode != 0
    assert (done.stdout, done.stderr) == ("got through\n", "")


def test_what_gets_on_is_left_alone_and_not_watched_afterwards() -> None:
    done = ended("pass")
    assert (done.returncode, done.stdout) == (0, "got through\nended\n")


def test_errors_and_results_come_through() -> None:
    assert watched(60, max, 3, 4) == 4
    with pytest.raises(ZeroDivisionError):
        watched(60, lambda: 1 // 0)
    got_further()  # of no task: nothing
