import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.measures.face_pairs import FacePairs, draw_pairs


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(-1, 40, 600)


def drawn(labels: np.ndarray, *, pairs: int = 6000, seed: int = 0, folds: int = 10) -> FacePairs:
    generator = np.random.default_rng(seed)
    return draw_pairs(labels, pairs=pairs, generator=generator, folds=folds)


def test_pairs_are_what_they_say_and_differ(labels: np.ndarray) -> None:
    pairs = drawn(labels, pairs=1000)
    assert ((labels[pairs.first] == labels[pairs.second]) == pairs.genuine).all()
    assert (labels[pairs.first] != -1).all()
    assert len(np.unique(np.sort([pairs.first, pairs.second], axis=0), axis=1).T) == 1000
    assert (pairs.first != pairs.second).all()


def test_folds_are_balanced_and_share_nobody(labels: np.ndarray) -> None:
    pairs = drawn(labels, pairs=1000)
    people = []
    for fold in range(10):
        inside = pairs.folds == fold
        assert inside.sum() == 100
        assert pairs.genuine[inside].mean() == 0.5
        people.append(set(labels[pairs.first[inside]]) | set(labels[pairs.second[inside]]))
    assert sum(map(len, people)) == len(set.union(*people))


def test_one_fold_holds_everybody(labels: np.ndarray) -> None:
    pairs = drawn(labels, pairs=4000, folds=1)
    assert not pairs.folds.any()
    assert pairs.genuine.sum() == 2000
    assert len(np.unique(labels[pairs.first])) == 40


def test_identities_with_two_images_are_equally_likely_in_genuine_pairs() -> None:
    labels = np.repeat([0, 1, 2], [30, 1, 90])
    seen = np.zeros(3)
    for seed in range(60):
        pairs = drawn(labels, pairs=20, seed=seed, folds=1)
        seen += np.bincount(labels[pairs.first[pairs.genuine]], minlength=3)
    assert seen / 600 == pytest.approx(np.array([0.5, 0, 0.5]), abs=0.08)


def test_no_impostor_pair_is_preferred() -> None:
    labels = np.repeat([0, 1, 2], [40, 20, 120])
    seen = np.zeros((3, 3))
    for seed in range(10):
        pairs = drawn(labels, pairs=400, seed=seed, folds=1)
        strangers = ~pairs.genuine
        np.add.at(seen, (labels[pairs.first[strangers]], labels[pairs.second[strangers]]), 1)
    shares = (seen + seen.T)[np.triu_indices(3, 1)] / 2000
    assert shares == pytest.approx(np.array([800, 4800, 2400]) / 8000, abs=0.035)
    assert (seen.diagonal() == 0).all()


def test_the_generator_decides(labels: np.ndarray) -> None:
    a, b = drawn(labels, pairs=100), drawn(labels, pairs=100)
    assert (a.first == b.first).all()
    assert (a.first != drawn(labels, pairs=100, seed=1).first).any()


def test_a_small_set_gives_the_pairs_that_it_has() -> None:
    pairs = drawn(np.repeat(np.arange(4), 2))
    assert pairs.genuine.sum() == 4  # one pair an identity
    assert len(pairs.genuine) == 8


def test_sets_without_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="four identities, got 3"):
        drawn(np.array([0, 0, 1, 1, 2, 2]))
    with pytest.raises(InputError, match="two identities, got 1"):
        drawn(np.array([0, 0]), folds=1)
    with pytest.raises(InputError, match="no identity has two"):
        drawn(np.arange(8))
