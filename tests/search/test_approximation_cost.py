from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.errors import InputError
from vultus.search.approximation_cost import approximation_cost
from vultus.search.index import VectorIndex


def unit(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_the_cost_counts_what_the_exact_search_finds_and_the_other_does_not() -> None:
    """The nearest by angle, with another in its way that has more signs in common."""
    probe = unit(np.array([[1.0, 1e-3, 1e-3, 1e-3]]))
    mate = unit(np.array([[1.0, -1e-3, -1e-3, -1e-3]]))
    other = unit(np.array([[0.5, 1.0, 1.0, 1.0]]))
    index = VectorIndex(4)
    index.add(np.concatenate([mate, other]), ids=[10, 20])
    probes = np.concatenate([probe, other, -mate])
    mates = np.array([10, 20, 10])
    cost = approximation_cost(index, probes, mates, threshold=0.9, approximate=1)
    assert (cost.n_probes, cost.found, cost.missed) == (3, 2, 1)
    assert cost.fnir == pytest.approx(1 / 3)
    assert cost.added_fnir == pytest.approx(1 / 3)
    free = approximation_cost(index, probes, mates, threshold=0.9, approximate=2)
    assert free.missed == 0
    with pytest.raises(InputError, match="mates"):
        approximation_cost(index, probes, mates[:2], threshold=0.9, approximate=1)
    with pytest.raises(InputError, match="number of probes"):
        approximation_cost(index, probes[:0], mates[:0], threshold=0.9, approximate=1)
