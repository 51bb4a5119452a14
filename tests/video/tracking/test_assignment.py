import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from vultus.video.tracking.assignment import assign


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 6), (7, 4), (12, 12), (0, 3), (3, 0)])
def test_it_costs_as_little_as_scipy_s(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape)
    for _ in range(40):
        cost = rng.random(shape)
        limit = float(rng.choice([0.2, 0.5, 0.9, 2.0]))
        pairs = assign(cost, limit=limit)
        clipped = np.minimum(cost, limit)
        rows, columns = linear_sum_assignment(clipped)
        least = clipped[rows, columns].sum()
        assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
        assert all(cost[r, c] < limit for r, c in pairs)
        alone = min(shape) - len(pairs)
        assert sum(cost[r, c] for r, c in pairs) + alone * limit == pytest.approx(least)


def test_ties_and_equal_costs_end() -> None:
    assert len(assign(np.ones((5, 5)), limit=2)) == 5
    assert assign(np.ones((5, 5)), limit=1) == []
