"""Random generators and determinism of one process."""

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from vultus.core.checks import check_positive_int

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


def seed_all(seed: int, *, rank: int = 0) -> None:
    """Seed Python's, NumPy's and torch's global generators, differently for each process.

    Args:
        seed: Of the run, at least 0.
        rank: Of this process; the ranks' streams are independent of one another.

    Example:
        >>> seed_all(1)
        >>> first = torch.rand(1)
        >>> seed_all(1)
        >>> bool(torch.rand(1) == first)
        True
    """
    check_positive_int("seed", seed, minimum=0)
    check_positive_int("rank", rank, minimum=0)
    words = np.random.SeedSequence([seed, rank]).generate_state(3, np.uint32)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))  # noqa: NPY002 - the global one is what is seeded here
    torch.manual_seed(int(words[2]))


def random_state() -> dict[str, Any]:
    """The state of the global generators: Python's, NumPy's, torch's on the CPU and current GPU."""
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    inner = numpy_state["state"]
    state = {
        "python": random.getstate(),
        "numpy": {**numpy_state, "state": {**inner, "key": inner["key"].tolist()}},
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go on with what `random_state` gave; a GPU's part is used where there is a GPU."""
    numpy_state = state["numpy"]
    inner = numpy_state["state"]
    key = np.array(inner["key"], np.uint32)
    random.setstate(state["python"])
    np.random.set_state(  # noqa: NPY002
        {**numpy_state, "state": {**inner, "key": key}}
    )
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


@contextmanager
def deterministic(on: bool = True) -> Iterator[None]:
    """While this lasts, torch takes deterministic algorithms only, and says where it has none.

    The same run then gives the same weights, to the last bit, on the same kind of machine: on a
    GPU at some cost in speed, on a CPU with the same number of threads. Afterwards everything is
    as it was.

    Args:
        on: False lets cuDNN try which of its algorithms is the fastest for each shape, and changes
            nothing else.
    """
    benchmark = torch.backends.cudnn.benchmark
    if not on:
        torch.backends.cudnn.benchmark = True
        try:
            yield
        finally:
            torch.backends.cudnn.benchmark = benchmark
        return
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault(_CUBLAS, ":4096:8")  # cuBLAS reads it at its first use
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
