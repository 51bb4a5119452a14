import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.training.validation.face_pairs import draw_pairs


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(-1, 40, 600)


def test_pairs_are_what_they_say_and_differ(labels: np.ndarray) -> None:
    pairs = draw_pairs(labels, pairs=1000)
    assert ((labels[pairs.first] == labels[pairs.second]) == pairs.genuine).all()
    assert (labels[pairs.first] != -1).all()
    assert len(np.unique(np.sort([pairs.first, pairs.second], axis=0), axis=1).T) == 1000
    assert (pairs.first != pairs.second).all()


def test_folds_are_balanced_and_share_nobody(labels: np.ndarray) -> None:
    pairs = draw_pairs(labels, pairs=1000)
    people = []
    for fold in range(10):
        inside = pairs.folds == fold
        assert inside.sum() == 100
        assert pairs.genuine[inside].mean() == 0.5
        people.append(set(labels[pairs.first[inside]]) | set(labels[pairs.second[inside]]))
    assert sum(map(len, people)) == len(set.union(*people))


def test_the_seed_decides(labels: np.ndarray) -> None:
    a, b = draw_pairs(labels, pairs=100), draw_pairs(labels, pairs=100)
    assert (a.first == b.first).all()
    assert (a.first != draw_pairs(labels, pairs=100, seed=1).first).any()


def test_a_small_set_gives_the_pairs_that_it_has() -> None:
    pairs = draw_pairs(np.repeat(np.arange(4), 2), pairs=6000)
    assert pairs.genuine.sum() == 4  # one pair an identity
    assert len(pairs.genuine) == 8


def test_sets_without_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="four identities, got 3"):
        draw_pairs(np.array([0, 0, 1, 1, 2, 2]))
    with pytest.raises(InputError, match="no identity has two"):
        draw_pairs(np.arange(8))
