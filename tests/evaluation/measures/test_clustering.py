import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import pair_confusion_matrix

from vultus.core.errors import InputError
from vultus.evaluation.measures.clustering import b_cubed, normalised_mutual_information, pairwise

GROUPED = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25)


def _split(grouped: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([a for a, _ in grouped]), np.array([b for _, b in grouped])


@settings(max_examples=50, deadline=None)
@given(GROUPED)
def test_pairwise_agrees_with_scikit_learn(grouped: list[tuple[int, int]]) -> None:
    labels, people = _split(grouped)
    ((_, wrong), (missed, right)) = pair_confusion_matrix(people, labels)
    result = pairwise(labels, people)
    assert result.precision == (right / (right + wrong) if right + wrong else 1.0)
    assert result.recall == (right / (right + missed) if right + missed else 1.0)


@settings(max_examples=50, deadline=None)
@given(GROUPED)
def test_b_cubed_agrees_with_loops(grouped: list[tuple[int, int]]) -> None:
    precision, recall = [], []
    for label, person in grouped:
        both = sum(other == (label, person) for other in grouped)
        precision.append(both / sum(other[0] == label for other in grouped))
        recall.append(both / sum(other[1] == person for other in grouped))
    result = b_cubed(*_split(grouped))
    assert result.precision == pytest.approx(np.mean(precision))
    assert result.recall == pytest.approx(np.mean(recall))


@settings(max_examples=50, deadline=None)
@given(GROUPED)
def test_mutual_information_agrees_with_scikit_learn(grouped: list[tuple[int, int]]) -> None:
    labels, people = _split(grouped)
    theirs = normalized_mutual_info_score(people, labels)
    assert normalised_mutual_information(labels, people) == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(GROUPED)
def test_names_do_not_matter_and_swapping_exchanges_precision_and_recall(
    grouped: list[tuple[int, int]],
) -> None:
    labels, people = _split(grouped)
    for measure in (pairwise, b_cubed):
        plain = measure(labels, people)
        assert measure(7 - labels, people.astype(str)) == plain
        swapped = measure(people, labels)
        assert (swapped.precision, swapped.recall) == pytest.approx((plain.recall, plain.precision))


def test_perfect_and_trivial_groupings() -> None:
    people = np.array([0, 0, 1, 1])
    assert b_cubed(people, people).f_score == pairwise(people, people).f_score == 1.0
    alone = pairwise(np.arange(4), people)
    assert (alone.precision, alone.recall, alone.f_score) == (1.0, 0.0, 0.0)
    assert b_cubed(np.zeros(4), people).precision == 0.5


def test_unequal_lengths_are_refused() -> None:
    for measure in (pairwise, b_cubed, normalised_mutual_information):
        with pytest.raises(InputError, match="equally long"):
            measure(np.zeros(2), np.zeros(3))
        with pytest.raises(InputError, match="n >= 1"):
            measure(np.zeros(0), np.zeros(0))
