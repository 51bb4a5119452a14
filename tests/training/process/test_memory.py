import json
import subprocess
import sys

import pytest

from vultus.training.process.memory import keep_freed_memory

ROUNDS = """
import json, resource
import torch
from vultus.training.process.memory import keep_freed_memory

MB = 2**20

def faults():
    # Pages of this process that had to be made so far.
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // MB

told = {}
with keep_freed_memory() as told["done"]:
    for _ in range(20):  # until the heap has settled
        torch.ones(16 * MB // 4)
    before = faults()
    for _ in range(10):
        torch.ones(16 * MB // 4)
    told["faults"] = faults() - before
    told["held"] = resident_mb()
told["after"] = resident_mb()
print(json.dumps(told))
"""

needs_glibc = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the settings are those of glibc"
)


@needs_glibc
def test_memory_is_kept_while_it_lasts_and_given_back_afterwards() -> None:
    # In a process of its own: others' threads make pages, too, and leave holes in the heap.
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS], check=True, capture_output=True, text=True, timeout=120
    )
    told = json.loads(done.stdout)
    if not told["done"]:
        pytest.skip("no glibc, or malloc's settings are the user's")
    assert told["faults"] < 1000
    assert told["after"] < told["held"] - 12


@needs_glibc
def test_the_users_own_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "3")
    with keep_freed_memory() as done:
        assert not done


def test_it_can_be_off() -> None:
    with keep_freed_memory(False) as done:
        assert not done
