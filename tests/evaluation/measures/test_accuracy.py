import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.errors import InputError
from vultus.evaluation.measures.accuracy import best_threshold, fold_accuracy
from vultus.evaluation.measures.intervals import rate_interval

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_best_threshold_is_as_good_as_any(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([k / 6 for k, _ in pairs])
    genuine = np.array([same for _, same in pairs])
    threshold = best_threshold(scores, genuine)
    reached = ((scores >= threshold) == genuine).sum()
    candidates = [-1.0, *(k / 12 for k in range(14))]
    assert reached == max(((scores >= t) == genuine).sum() for t in candidates)


def test_equally_good_thresholds_give_the_middle() -> None:
    # Any threshold in (0.2, 0.8] is perfect: one gap, its midpoint.
    assert best_threshold(np.array([0.8, 0.9, 0.2]), np.array([True, True, False])) == 0.5


def test_each_fold_uses_the_threshold_of_the_others() -> None:
    # Fold 2 is shifted by 10: the threshold of the others accepts all of it.
    scores = np.array([0.0, 1.0, 0.1, 0.9, 10.0, 11.0])
    genuine = np.array([False, True] * 3)
    result = fold_accuracy(scores, genuine, folds=np.array([0, 0, 1, 1, 2, 2]))
    assert result.accuracies[2] == 0.5
    assert result.thresholds[2] == pytest.approx(0.5)
    # The other folds learn from fold 2 as well and choose the lower gap or the upper one.
    assert result.n_pairs == 6
    assert result.mean == pytest.approx(np.mean(result.accuracies))
    assert result.standard_error == pytest.approx(result.std / math.sqrt(3))


def test_a_failed_pair_is_wrong_even_when_it_is_an_impostor() -> None:
    scores = np.array([0.9, 0.1, 0.8, -math.inf])
    genuine = np.array([True, False, True, False])
    result = fold_accuracy(scores, genuine, folds=np.array([0, 0, 1, 1]))
    assert result.n_failures == 1
    assert result.accuracies == (1.0, 0.5)
    assert result.n_right == 3
    assert result.interval == rate_interval(3, 4)


def test_a_held_out_fold_does_not_move_its_own_threshold() -> None:
    generator = np.random.default_rng(0)
    genuine = np.arange(200) % 2 == 0
    scores = generator.normal(genuine, 0.6)
    folds = np.repeat(np.arange(4), 50)
    before = fold_accuracy(scores, genuine, folds=folds).thresholds[0]
    scores[folds == 0] = generator.normal(5, 1, 50)
    assert fold_accuracy(scores, genuine, folds=folds).thresholds[0] == before


def test_one_fold_is_refused() -> None:
    with pytest.raises(InputError, match="two folds"):
        fold_accuracy(np.ones(2), np.array([True, False]), folds=np.zeros(2, np.int64))


def test_nothing_found_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="finite score"):
        best_threshold(np.array([-math.inf]), np.array([True]))
