import resource
import sys

import pytest
import torch

from vultus.training.process.memory import keep_freed_memory

MB = 2**20


def faults() -> int:
    """Pages of this process that had to be made so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def faults_of_rounds() -> int:
    """Pages made when 16 MB are taken and given back ten times, once the heap has settled."""
    for _ in range(20):
        torch.ones(16 * MB // 4)
    before = faults()
    for _ in range(10):
        torch.ones(16 * MB // 4)
    return faults() - before


def resident_mb() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // MB


needs_glibc = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the settings are those of glibc"
)


@needs_glibc
def test_memory_is_kept_while_it_lasts_and_given_back_afterwards() -> None:
    with keep_freed_memory() as done:
        if not done:
            pytest.skip("no glibc, or malloc's settings are the user's")
        assert faults_of_rounds() < 1000
        held = resident_mb()
    assert resident_mb() < held - 12


@needs_glibc
def test_the_users_own_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "3")
    with keep_freed_memory() as done:
        assert not done


def test_it_can_be_off() -> None:
    with keep_freed_memory(False) as done:
        assert not done
