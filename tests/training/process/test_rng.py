import os
import random

import numpy as np
import pytest
import torch

from vultus.training.process.rng import deterministic, random_state, seed_all, set_random_state
from vultus.training.run.state_tree import flatten, rebuild


def draws() -> list[float]:
    one = np.random.normal()  # noqa: NPY002 - the global generator is what is tested
    return [random.random(), random.gauss(0, 1), float(one), float(torch.randn(()))]


def test_generators_go_on_where_they_were_saved_even_by_way_of_a_file() -> None:
    seed_all(3)
    draws()  # leaves NumPy and Python with half of a pair of normal numbers in hand
    state = rebuild(*flatten(random_state()))
    expected = [draws(), draws()]
    seed_all(4)
    set_random_state(state)
    assert [draws(), draws()] == expected


def test_seeds_fix_all_generators_and_ranks_differ() -> None:
    seen = []
    for seed, rank in ((1, 0), (1, 0), (1, 1), (2, 0)):
        seed_all(seed, rank=rank)
        seen.append(draws())
    assert seen[0] == seen[1]
    for i in range(4):
        assert len({row[i] for row in seen}) == 3


def flags() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )


def test_determinism_is_asked_of_torch_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = flags()
    with deterministic():
        assert flags() == (True, False, False)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert flags() == before == (False, False, True)


def test_without_determinism_cudnn_may_choose_and_that_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for given in (False, True):
        monkeypatch.setattr(torch.backends.cudnn, "benchmark", given)
        with deterministic(False):
            assert flags() == (False, False, True)
        assert flags() == (False, False, given)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    with pytest.raises(KeyError), deterministic(False):
        raise KeyError
    assert flags() == (False, False, False)
