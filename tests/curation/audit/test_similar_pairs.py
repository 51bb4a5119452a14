"""Tiled searches against plain loops."""

from functools import partial

import numpy as np
import pytest

from vultus.curation.audit import similar_pairs
from vultus.curation.audit.similar_pairs import best_others, pairs_above
from vultus.search.tiles import similarity_tiles


def unit(n: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("tile", [1, 7, 64])
def test_pairs_are_those_of_a_loop(tile: int) -> None:
    vectors = unit(40)
    found = {
        (int(a), int(b))
        for rows, columns, _ in pairs_above(vectors, 0.4, tile=tile)
        for a, b in zip(rows, columns, strict=True)
    }
    wanted = {(a, b) for a in range(40) for b in range(a + 1, 40) if vectors[a] @ vectors[b] >= 0.4}
    assert found == wanted
    assert wanted


def test_pairs_with_others_are_those_of_a_loop() -> None:
    vectors, others = unit(30), unit(25, seed=1)
    others[3] = np.nan  # no centre
    found = {
        (int(a), int(b)): float(s)
        for rows, columns, scores in pairs_above(vectors, 0.3, others=others, tile=8)
        for a, b, s in zip(rows, columns, scores, strict=True)
    }
    wanted = {
        (a, b) for a in range(30) for b in range(25) if b != 3 and vectors[a] @ others[b] >= 0.3
    }
    assert set(found) == wanted
    assert all(s == pytest.approx(vectors[a] @ others[b], abs=1e-6) for (a, b), s in found.items())


def test_best_other_is_that_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(similarity_tiles, n_rows=6, n_columns=6)
    monkeypatch.setattr(similar_pairs, "similarity_tiles", small)
    vectors, centres = unit(33), unit(17, seed=2)
    centres[5] = np.nan
    own = np.random.default_rng(3).integers(-1, 17, 33)
    best = best_others(vectors, centres, own=own)
    for row in range(33):
        scores = {k: float(vectors[row] @ centres[k]) for k in range(17) if k not in (5, own[row])}
        wanted = max(scores, key=lambda k: scores[k])
        assert best.labels[row] == wanted
        assert best.similarities[row] == pytest.approx(scores[wanted], abs=1e-6)


def test_where_there_is_no_other() -> None:
    best = best_others(unit(2), unit(1), own=np.zeros(2, np.int64))
    assert best.labels.tolist() == [-1, -1]
    assert np.isneginf(best.similarities).all()
