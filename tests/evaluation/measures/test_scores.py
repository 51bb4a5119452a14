import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.errors import CalibrationError, InputError
from vultus.evaluation.measures.scores import check_scores, count_at_or_above, d_prime

SCORES = st.lists(st.sampled_from([-math.inf, -0.5, 0.0, 0.25, 1.0]), min_size=1)


@settings(max_examples=50, deadline=None)
@given(SCORES, SCORES)
def test_counts_agree_with_loops(scores: list[float], thresholds: list[float]) -> None:
    counted = count_at_or_above(np.array(scores), np.array(thresholds))
    assert counted.tolist() == [sum(s >= t for s in scores) for t in thresholds]


def test_d_prime_by_hand_and_its_limits() -> None:
    g, i = np.array([1.0, 3.0]), np.array([-1.0, 1.0])
    assert d_prime(g, i) == pytest.approx(2 / math.sqrt(2))
    with pytest.raises(CalibrationError):
        d_prime(np.ones(3), np.zeros(3))
    with pytest.raises(InputError, match="finite"):
        d_prime(np.array([-math.inf, 1.0]), i)
    with pytest.raises(InputError, match="at least two"):
        d_prime(np.ones(1), i)


@pytest.mark.parametrize("scores", [np.array([1, 0]), [0.5], np.zeros((2, 2)), np.zeros(0)])
def test_what_are_no_scores_is_refused(scores: object) -> None:
    with pytest.raises(InputError):
        check_scores("scores", scores, failures=True)


def test_failures_are_allowed_only_where_said() -> None:
    failed = np.array([-math.inf])
    check_scores("scores", failed, failures=True)
    with pytest.raises(InputError, match="finite"):
        check_scores("scores", failed, failures=False)
