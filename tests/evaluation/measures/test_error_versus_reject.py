import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.errors import InputError
from vultus.evaluation.measures.error_versus_reject import error_versus_reject, pair_quality

COMPARISONS = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(COMPARISONS)
def test_every_point_agrees_with_loops(comparisons: list[tuple[int, bool]]) -> None:
    quality = np.array([float(q) for q, _ in comparisons])
    scores = np.array([0.1 if wrong else 0.9 for _, wrong in comparisons])
    curve = error_versus_reject(scores, quality, threshold=0.5)
    levels = sorted(set(quality))
    assert len(curve.rejected) == len(levels)
    for row, level in enumerate(levels):
        left = [wrong for q, wrong in comparisons if q >= level]
        assert curve.n_left[row] == len(left)
        assert curve.rejected[row] == pytest.approx(1 - len(left) / len(comparisons))
        assert curve.fnmr[row] == pytest.approx(np.mean(left))


def test_an_oracle_reaches_the_ideal_area_and_a_constant_changes_nothing() -> None:
    n = 20_000
    wrong = np.arange(n) < n // 10
    scores = np.where(wrong, 0.1, 0.9)
    oracle = error_versus_reject(scores, np.arange(n).astype(float), threshold=0.5)
    assert oracle.area() == pytest.approx(oracle.ideal_area(), rel=1e-3)
    assert oracle.at(0.1) == 0.0
    constant = error_versus_reject(scores, np.ones(n), threshold=0.5)
    assert constant.area() == pytest.approx(0.1)
    backwards = error_versus_reject(scores, -np.arange(n).astype(float), threshold=0.5)
    assert backwards.area() > constant.area()


def test_area_of_steps_by_hand() -> None:
    # Refusing the poorest quarter removes the only error.
    curve = error_versus_reject(
        np.array([0.1, 0.9, 0.9, 0.9]), np.array([0.0, 1.0, 1.0, 1.0]), threshold=0.5
    )
    assert curve.at(0.24) == 0.25
    assert curve.at(0.25) == 0.0
    assert curve.area(up_to=0.5) == pytest.approx(0.25 * 0.25 / 0.5)


def test_a_failed_comparison_is_an_error_until_it_is_refused() -> None:
    curve = error_versus_reject(
        np.array([-math.inf, 0.9]), np.array([-math.inf, 0.5]), threshold=0.5
    )
    assert curve.fnmr.tolist() == [0.5, 0.0]


def test_a_pair_is_as_good_as_its_poorer_face() -> None:
    assert pair_quality(np.array([0.2, 0.9]), np.array([0.5, 0.1])).tolist() == [0.2, 0.1]


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="quality"):
        error_versus_reject(np.ones(2), np.array([1.0, math.nan]), threshold=0.5)
    with pytest.raises(InputError, match="quality"):
        error_versus_reject(np.ones(2), np.ones(3), threshold=0.5)
    with pytest.raises(InputError, match="at least one"):
        error_versus_reject(np.ones(0), np.ones(0), threshold=0.5)
