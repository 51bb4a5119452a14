import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from vultus.bulk.forest import Edges, components, spanning_forest


def graph(seed: int, n: int, m: int, *, levels: int) -> Edges:
    """Random edges, each pair once; few levels of weight make ties."""
    rng = np.random.default_rng(seed)
    pairs = np.unique(np.sort(rng.integers(0, n, (m, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    weights = (rng.integers(1, levels + 1, len(pairs)) / levels).astype(np.float32)
    return Edges(pairs[:, 0], pairs[:, 1], weights)


def as_set(edges: Edges) -> set[tuple[int, int, float]]:
    return set(zip(edges.a.tolist(), edges.b.tolist(), edges.weights.tolist(), strict=True))


@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(0, 200), st.sampled_from([2, 1000]))
def test_it_is_as_heavy_as_scipys_and_has_its_components(
    seed: int, n: int, m: int, levels: int
) -> None:
    edges = graph(seed, n, m, levels=levels)
    forest = spanning_forest(edges)
    matrix = coo_matrix((2 - edges.weights.astype(float), (edges.a, edges.b)), (n, n))
    reference = minimum_spanning_tree(matrix.tocsr())
    assert len(forest) == reference.nnz
    assert (2 - forest.weights.astype(float)).sum() == pytest.approx(reference.sum())
    assert as_set(forest) <= as_set(edges)
    _, labels = connected_components(matrix, directed=False)
    lowest = components(n, forest)
    np.testing.assert_array_equal(lowest, [np.flatnonzero(labels == label)[0] for label in labels])
    np.testing.assert_array_equal(lowest, components(n, edges))


@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(1, 150), st.sampled_from([3, 1000]))
def test_piece_by_piece_in_any_order_gives_the_same_forest(
    seed: int, n: int, m: int, levels: int
) -> None:
    edges = graph(seed, n, m, levels=levels)
    whole = spanning_forest(edges)
    rng = np.random.default_rng(seed)
    merged = Edges.none()
    for part in np.array_split(rng.permutation(len(edges)), 4):
        merged = spanning_forest(merged.joined(spanning_forest(edges.chosen(part))))
    assert as_set(merged) == as_set(whole)
    assert (np.diff(whole.weights) <= 0).all()


def test_the_forest_answers_for_every_threshold() -> None:
    edges = graph(5, 200, 900, levels=1000)
    forest = spanning_forest(edges)
    for least in (0.2, 0.5, 0.8):
        np.testing.assert_array_equal(
            components(200, forest.chosen(forest.weights >= least)),
            components(200, edges.chosen(edges.weights >= least)),
        )


def test_no_edges_are_a_forest_too() -> None:
    assert len(spanning_forest(Edges.none())) == 0
    assert components(3, Edges.none()).tolist() == [0, 1, 2]
