import numpy as np
import pytest

from vultus.baselines.ensemble import join_features
from vultus.core.errors import InputError


def test_dot_products_are_weighted_means_of_cosines() -> None:
    generator = np.random.default_rng(0)
    first = generator.normal(size=(4, 3)) * 100
    second = generator.normal(size=(4, 5)).astype(np.float32)
    joined = join_features([first, second], weights=[3, 1])
    assert joined.shape == (4, 8)
    for i in range(4):
        for j in range(4):
            cosines = [
                part[i] @ part[j] / np.linalg.norm(part[i]) / np.linalg.norm(part[j])
                for part in (first, second)
            ]
            assert joined[i] @ joined[j] == pytest.approx(0.75 * cosines[0] + 0.25 * cosines[1])


def test_parts_that_do_not_fit_are_refused() -> None:
    ones = np.ones((3, 2))
    with pytest.raises(InputError, match="at least one part"):
        join_features([])
    with pytest.raises(InputError, match="got 2 rows in parts\\[1\\], 3 in parts\\[0\\]"):
        join_features([ones, ones[:2]])
    with pytest.raises(InputError, match="row of zeros"):
        join_features([ones, np.zeros((3, 2))])
    with pytest.raises(InputError, match="one per part"):
        join_features([ones], weights=[1, 1])
