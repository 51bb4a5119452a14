from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.baselines.head_file import save_head
from vultus.baselines.pca_svm import KIND, PcaSvm
from vultus.baselines.vectors import known_rows
from vultus.core.errors import InputError
from vultus.evaluation.measures.face_pairs import draw_pairs


def fitted(people: Any, **settings: Any) -> PcaSvm:
    generator = np.random.default_rng(0)
    return PcaSvm.fit(people.vectors, people.labels, generator=generator, **settings)


def test_nobody_with_two_photos_is_refused(some_people: Any) -> None:
    with pytest.raises(InputError, match="no identity has two"):
        fitted(some_people._replace(labels=np.arange(len(some_people.labels))))


def test_the_plane_is_the_best_of_the_squared_hinge(some_people: Any) -> None:
    cost = 0.05
    head = fitted(some_people, cost=cost)
    labels = known_rows(some_people.vectors, some_people.labels)[1]
    pairs = draw_pairs(labels, generator=np.random.default_rng(0), pairs=20_000, folds=1)
    u, v = (
        [_white(head, some_people.vectors[row]) for row in rows]
        for rows in (pairs.first, pairs.second)
    )
    features = np.concatenate([np.abs(np.subtract(u, v)), np.multiply(u, v)], axis=1)
    features = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    weights = np.append(head.weights, head.bias)
    signs = np.where(pairs.genuine, 1.0, -1.0)
    short = np.maximum(0, 1 - signs * (features @ weights))
    gradient = weights - 2 * cost * (short * signs) @ features
    assert np.abs(gradient).max() < 1e-4
    assert (short > 0).sum() > 10


def _white(head: PcaSvm, vector: np.ndarray) -> np.ndarray:
    along = (vector - head.pca.mean) @ head.pca.axes.T / np.sqrt(head.pca.variances)
    return np.asarray(along * np.sqrt(len(along)) / np.linalg.norm(along))


def test_scores_of_strangers_tell_one_person_from_two(many_people: Any, strangers: Any) -> None:
    head = fitted(many_people, pairs=4000)
    generator = np.random.default_rng(5)
    pairs = draw_pairs(strangers.labels, generator=generator, pairs=1000)
    first, second = strangers.vectors[pairs.first], strangers.vectors[pairs.second]
    assert ((head.score(first, second) > 0) == pairs.genuine).mean() > 0.8
    shuffled = fitted(many_people._replace(labels=generator.permutation(many_people.labels)))
    assert ((shuffled.score(first, second) > 0) == pairs.genuine).mean() < 0.75


def test_the_score_is_a_plane_over_differences_and_products(some_people: Any) -> None:
    head = fitted(some_people, dim=3)
    a, b = some_people.vectors[0], some_people.vectors[1]
    u, v = _white(head, a), _white(head, b)
    wanted = sum(
        head.weights[k] * abs(u[k] - v[k]) + head.weights[3 + k] * u[k] * v[k] for k in range(3)
    )
    assert head.score(a[None], b[None])[0] == pytest.approx(wanted + head.bias)
    assert head.score(b[None], a[None])[0] == pytest.approx(wanted + head.bias)


def test_the_mean_itself_has_a_score(some_people: Any) -> None:
    head = fitted(some_people)
    assert np.isfinite(head.score(head.pca.mean[None], some_people.vectors[:1])).all()


def test_the_same_generator_gives_the_same_head(some_people: Any) -> None:
    assert (fitted(some_people).weights == fitted(some_people).weights).all()


def test_a_file_gives_the_same_scores(some_people: Any, tmp_path: Path) -> None:
    head = fitted(some_people, dim=4)
    head.save(tmp_path / "head.npz")
    loaded = PcaSvm.load(tmp_path / "head.npz")
    a, b = some_people.vectors[:5], some_people.vectors[5:10]
    assert (loaded.score(a, b) == head.score(a, b)).all()


@pytest.mark.parametrize("damage", ["variances", "weights", "axes"])
def test_a_file_whose_arrays_do_not_fit_is_refused(
    some_people: Any, tmp_path: Path, damage: str
) -> None:
    head = fitted(some_people)
    names = ("mean", "axes", "variances")
    arrays = {name: getattr(head.pca, name) for name in names} | {
        "weights": head.weights,
        "bias": head.bias,
    }
    arrays[damage] = -arrays[damage] if damage == "variances" else arrays[damage][:-1]
    save_head(tmp_path / "head.npz", arrays, kind=KIND)
    with pytest.raises(InputError, match="do not fit"):
        PcaSvm.load(tmp_path / "head.npz")
