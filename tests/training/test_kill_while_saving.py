"""kill -9 at random moments of a process that saves all the time: a good state always loads."""

import subprocess
import sys
from pathlib import Path

import pytest

SAVER = Path(__file__).with_name("killed_saver.py")


def kill_savers(path: Path, wanted: int) -> int:
    """Kills until so many processes were hit in the middle of writing; how many they were."""
    done = subprocess.run(
        [sys.executable, str(SAVER), str(path), str(wanted)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.mark.parametrize("wanted", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_a_good_checkpoint_loads_after_each_kill(tmp_path: Path, wanted: int) -> None:
    # Were no process hit in the middle of writing, the test would show nothing.
    assert kill_savers(tmp_path, wanted) == wanted
