from collections import Counter
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.core.thresholds import Threshold
from vultus.matching import clustering
from vultus.matching.clustering import cluster

DIM = 32


def people(n_people: int, n_faces: int, *, spread: float, seed: int) -> Embeddings:
    rng = np.random.default_rng(seed)
    space = EmbeddingSpace("toy", "0" * 64, "none", DIM)
    centres = rng.standard_normal((n_people, DIM)) / np.sqrt(DIM)
    noise = spread * rng.standard_normal((n_faces, DIM)) / np.sqrt(DIM)
    return Embeddings.from_raw(centres[rng.integers(n_people, size=n_faces)] + noise, space)


def on_circle(*degrees: float) -> Embeddings:
    angles = np.deg2rad(degrees)
    space = EmbeddingSpace("toy", "0" * 64, "none", 2)
    return Embeddings.from_raw(np.stack([np.cos(angles), np.sin(angles)], axis=1), space)


def partition(labels: npt.NDArray[np.int32]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


def naive(
    faces: Embeddings,
    t: float,
    photo_ids: list[int],
    must: list[tuple[int, int]],
    cannot: list[tuple[int, int]],
) -> set[frozenset[int]]:
    """Straight from the definition of the linkage, over all pairs of groups, every time."""
    similarity = faces.vectors.astype(np.float64) @ faces.vectors.astype(np.float64).T
    groups = [{i} for i in range(len(faces))]
    for i, j in must:
        a = next(g for g in groups if i in g)
        b = next(g for g in groups if j in g)
        if a is not b:
            groups.remove(b)
            a |= b

    def value(a: set[int], b: set[int]) -> float:
        if any((i in a and j in b) or (i in b and j in a) for i, j in cannot):
            return -np.inf
        mean = np.mean([similarity[i, j] for i in a for j in b])
        shared = sum(photo_ids[i] == photo_ids[j] for i in a for j in b)
        return float(mean) - (1 - t) / 2 * min(shared / min(len(a), len(b)), 1)

    while len(groups) > 1:
        best, a, b = max(
            ((value(a, b), a, b) for a, b in combinations(groups, 2)), key=lambda entry: entry[0]
        )
        if best < t:
            break
        groups.remove(b)
        a |= b
    return {frozenset(group) for group in groups}


@pytest.mark.parametrize("spread", [0.5, 0.9, 1.3, 5.0])
@pytest.mark.parametrize("t", [0.0, 0.3, 0.6])
def test_without_constraints_it_is_scipys_average_linkage(spread: float, t: float) -> None:
    faces = people(25, 200, spread=spread, seed=1)
    similarity = faces.vectors.astype(np.float64) @ faces.vectors.astype(np.float64).T
    distances = 1 - similarity[np.triu_indices(len(faces), 1)]
    expected = fcluster(linkage(distances, "average"), 1 - t, "distance")
    assert partition(cluster(faces, threshold=Threshold(t)).labels) == partition(expected)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_with_constraints_it_is_what_the_definition_says(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 12))
    faces = people(3, n, spread=0.9, seed=data.draw(st.integers(0, 10**6)))
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    must = data.draw(st.lists(pair, max_size=3))
    cannot = data.draw(st.lists(pair, max_size=3))
    photo_ids = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    t = data.draw(st.sampled_from([0.0, 0.2, 0.4]))
    try:
        found = cluster(
            faces, threshold=Threshold(t), photo_ids=photo_ids, must_link=must, cannot_link=cannot
        )
    except InputError:
        assert any(
            any({i, j} <= group for group in naive(faces, 1.1, photo_ids, must, []))
            for i, j in cannot
        )
        return
    assert partition(found.labels) == naive(faces, t, photo_ids, must, cannot)


def test_the_order_of_faces_does_not_matter() -> None:
    faces = people(12, 150, spread=0.8, seed=4)
    photo_ids = np.random.default_rng(0).integers(60, size=150)
    before = cluster(faces, threshold=Threshold(0.3), photo_ids=photo_ids.tolist()).labels
    order = np.random.default_rng(1).permutation(150)
    after = cluster(faces[order], threshold=Threshold(0.3), photo_ids=photo_ids[order].tolist())
    assert partition(after.labels) == partition(before[order])


def test_labels_go_from_the_largest_group_down_and_singletons_stay_alone() -> None:
    faces = on_circle(180, 0, 90, 1, 91, 2)
    found = cluster(faces, threshold=Threshold(0.9))
    assert found.labels.tolist() == [2, 0, 1, 0, 1, 0]
    assert found.n_clusters == 3
    sizes = Counter(cluster(people(9, 90, spread=0.7, seed=2), threshold=Threshold(0.3)).labels)
    assert [sizes[label] for label in sorted(sizes)] == sorted(sizes.values(), reverse=True)


def test_two_alike_faces_of_one_photo_are_two_people() -> None:
    siblings = on_circle(0, 40)  # similarity 0.77
    rule = Threshold(0.6)
    assert cluster(siblings, threshold=rule).n_clusters == 1
    assert cluster(siblings, threshold=rule, photo_ids=["a", "b"]).n_clusters == 1
    assert cluster(siblings, threshold=rule, photo_ids=["a", "a"]).n_clusters == 2


def test_a_mirror_in_a_photo_is_still_one_person() -> None:
    assert cluster(on_circle(0, 5), threshold=Threshold(0.6), photo_ids=[1, 1]).n_clusters == 1


def test_a_sibling_is_kept_from_a_whole_group_that_is_in_the_photo() -> None:
    faces = on_circle(0, 1, 2, 3, 40)
    photo_ids = ["a", "b", "c", "d", "a"]
    found = cluster(faces, threshold=Threshold(0.6), photo_ids=photo_ids)
    assert found.labels.tolist() == [0, 0, 0, 0, 1]


def test_corrections_by_hand_are_kept() -> None:
    faces = on_circle(0, 1, 2, 180)
    found = cluster(faces, threshold=Threshold(0.9), must_link=[(0, 3)], cannot_link=[(0, 1)])
    labels = found.labels.tolist()
    assert labels[0] == labels[3]
    assert labels[0] != labels[1] == labels[2]


def test_cannot_link_holds_through_every_join() -> None:
    faces = people(1, 60, spread=0.2, seed=5)
    pairs = [(i, i + 30) for i in range(30)]
    labels = cluster(faces, threshold=Threshold(-1.0), cannot_link=pairs).labels
    assert all(labels[i] != labels[j] for i, j in pairs)
    # At -1 all is joined that may be: any two groups left are held apart by a pair.
    apart = {frozenset((int(labels[i]), int(labels[j]))) for i, j in pairs}
    assert apart == {frozenset(pair) for pair in combinations(sorted(set(labels.tolist())), 2)}


def test_contradictions_are_named() -> None:
    faces = on_circle(0, 1, 2)
    with pytest.raises(InputError, match=r"cannot_link contains \(0, 2\)"):
        cluster(faces, threshold=Threshold(0.5), must_link=[(0, 1), (1, 2)], cannot_link=[(0, 2)])


def test_bad_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = on_circle(0, 1, 2)
    with pytest.raises(InputError, match=r"must_link .* \[0, 3\), got \(0, 3\)"):
        cluster(faces, threshold=Threshold(0.5), must_link=[(0, 3)])
    with pytest.raises(InputError, match="two different faces"):
        cluster(faces, threshold=Threshold(0.5), cannot_link=[(1, 1)])
    with pytest.raises(InputError, match="got 2 for 3 faces"):
        cluster(faces, threshold=Threshold(0.5), photo_ids=[1, 2])
    monkeypatch.setattr(clustering, "MAX_FACES", 2)
    with pytest.raises(InputError, match="at most 2 faces, got 3"):
        cluster(faces, threshold=Threshold(0.5))


def test_none_and_one() -> None:
    assert cluster(on_circle(), threshold=Threshold(0.5)).n_clusters == 0
    assert cluster(on_circle(3), threshold=Threshold(0.5)).labels.tolist() == [0]


def test_a_second_run_gives_the_same_labels_and_ties_are_settled() -> None:
    faces = on_circle(*[0.0, 90.0] * 20)
    runs = [cluster(faces, threshold=Threshold(0.5)).labels.tolist() for _ in range(2)]
    assert runs[0] == runs[1] == [0, 1] * 20


@pytest.mark.slow
def test_five_thousand_faces_take_seconds() -> None:
    faces = people(600, 5000, spread=0.5, seed=1)
    labels = cluster(faces, threshold=Threshold(0.4)).labels
    assert 400 < labels.max() < 1200


def raised(*values: float) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


def test_two_doubtful_faces_need_more_and_a_sure_one_needs_no_more() -> None:
    faces, rule = on_circle(0, 40, 80), Threshold(0.7)  # neighbours at 0.77
    assert partition(cluster(faces[:2], threshold=rule).labels) == {frozenset({0, 1})}
    apart = cluster(faces[:2], threshold=rule, raised=raised(0.2, 0.1))
    assert partition(apart.labels) == {frozenset({0}), frozenset({1})}
    for less in (raised(0.2, 0), raised(0.05, 0.2), raised(0, 0)):
        found = cluster(faces[:2], threshold=rule, raised=less)
        assert partition(found.labels) == {frozenset({0, 1})}
    found = cluster(faces, threshold=rule, raised=raised(0.2, 0.2, 0))
    assert partition(found.labels) == {frozenset({0}), frozenset({1, 2})}


def test_doubt_is_that_of_the_surest_face_of_those_tied() -> None:
    faces, rule = on_circle(0, 1, 40), Threshold(0.7)
    tied: list[tuple[int, int]] = [(0, 1)]
    one_sure = cluster(faces, threshold=rule, must_link=tied, raised=raised(0, 0.2, 0.2))
    assert one_sure.n_clusters == 1
    none_sure = cluster(faces, threshold=rule, must_link=tied, raised=raised(0.2, 0.2, 0.2))
    assert none_sure.n_clusters == 2
    with pytest.raises(InputError, match="raised"):
        cluster(faces, threshold=rule, raised=raised(0.1))
