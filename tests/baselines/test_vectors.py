import sys

import numpy as np
import pytest

from vultus.baselines.vectors import check_vectors, known_rows, people, scikit_learn
from vultus.core.errors import InputError, MissingDependencyError


def test_unknown_rows_are_left_out_and_labels_made_dense() -> None:
    vectors = np.arange(10, dtype=np.float32).reshape(5, 2)
    rows, numbers = known_rows(vectors, np.array([7, -1, 3, 7, -5]))
    assert rows.tolist() == vectors[[0, 2, 3]].tolist()
    assert rows.dtype == np.float64
    assert numbers.tolist() == [1, 0, 1]


@pytest.mark.parametrize("labels", [[0, 0, 0], [-1, -1, 2]])
def test_one_identity_is_too_few(labels: list[int]) -> None:
    with pytest.raises(InputError, match="at least two identities, got 1"):
        known_rows(np.zeros((3, 2)), np.array(labels))


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((2, 3), np.int64), [[0.0]]])
def test_what_is_no_table_of_floats_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match=r"vectors must be float64 of shape \(n, dim\)"):
        check_vectors("vectors", wrong)


def test_sums_agree_with_a_loop() -> None:
    generator = np.random.default_rng(0)
    vectors, labels = generator.normal(size=(30, 4)), generator.permutation(np.arange(30) % 7)
    counts, means, scatter = people(vectors, labels)
    wanted = np.zeros((4, 4))
    for person in range(7):
        own = vectors[labels == person]
        assert counts[person] == len(own)
        assert means[person] == pytest.approx(own.mean(axis=0))
        for row in own:
            wanted += np.outer(row - own.mean(axis=0), row - own.mean(axis=0))
    assert scatter == pytest.approx(wanted)


def test_without_scikit_learn_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(MissingDependencyError, match="needs scikit-learn; run"):
        scikit_learn("svm")
