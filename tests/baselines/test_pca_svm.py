from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.baselines.head_file import save_head
from vultus.baselines.pca_svm import KIND, PcaSvm, draw_pairs
from vultus.core.errors import InputError


def fitted(people: Any, **settings: Any) -> PcaSvm:
    generator = np.random.default_rng(0)
    return PcaSvm.fit(people.vectors, people.labels, generator=generator, **settings)


def test_all_genuine_pairs_are_drawn_once_if_there_is_room() -> None:
    labels = np.array([4, 9, 4, 4, 9, 1, 2, 4])
    first, second, genuine = draw_pairs(labels, generator=np.random.default_rng(0), pairs=1000)
    wanted = {(i, j) for i in range(8) for j in range(i + 1, 8) if labels[i] == labels[j]}
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    found = [(min(p), max(p)) for p, same in zip(pairs, genuine, strict=True) if same]
    assert len(found) == 7
    assert set(found) == wanted
    assert (labels[first] == labels[second]).tolist() == genuine.tolist()
    assert int(genuine.sum()) * 2 == len(genuine)


def test_no_genuine_pair_is_preferred() -> None:
    labels = np.repeat([0, 1], [3, 4])
    seen: dict[tuple[int, int], int] = {}
    for seed in range(900):
        first, second, _ = draw_pairs(labels, generator=np.random.default_rng(seed), pairs=2)
        pair = (int(first[0]), int(second[0]))
        seen[pair] = seen.get(pair, 0) + 1
    assert len(seen) == 3 + 6
    assert min(seen.values()) > 60
    assert max(seen.values()) < 140


def test_no_impostor_pair_is_preferred() -> None:
    labels = np.repeat([0, 1, 2], [2, 1, 6])
    seen = np.zeros((3, 3))
    for seed in range(2000):
        first, second, _ = draw_pairs(labels, generator=np.random.default_rng(seed), pairs=2)
        seen[labels[first[1]], labels[second[1]]] += 1
    shares = (seen + seen.T)[np.triu_indices(3, 1)] / 2000
    assert shares == pytest.approx(np.array([2, 12, 6]) / 20, abs=0.035)
    assert (seen.diagonal() == 0).all()


def test_nobody_with_two_photos_is_refused() -> None:
    with pytest.raises(InputError, match="nobody has two"):
        draw_pairs(np.arange(5), generator=np.random.default_rng(0), pairs=10)


def test_scores_of_strangers_tell_one_person_from_two(many_people: Any, strangers: Any) -> None:
    head = fitted(many_people, pairs=4000)
    generator = np.random.default_rng(5)
    first, second, genuine = draw_pairs(strangers.labels, generator=generator, pairs=1000)
    scores = head.score(strangers.vectors[first], strangers.vectors[second])
    assert ((scores > 0) == genuine).mean() > 0.8
    shuffled = fitted(many_people._replace(labels=generator.permutation(many_people.labels)))
    noise = shuffled.score(strangers.vectors[first], strangers.vectors[second])
    assert ((noise > 0) == genuine).mean() < 0.75


def test_the_score_is_a_plane_over_differences_and_products(some_people: Any) -> None:
    head = fitted(some_people, dim=3)
    a, b = some_people.vectors[0], some_people.vectors[1]
    u, v = ((x - head.pca.mean) @ head.pca.axes.T / np.sqrt(head.pca.variances) for x in (a, b))
    u, v = (w * np.sqrt(3) / np.linalg.norm(w) for w in (u, v))
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
