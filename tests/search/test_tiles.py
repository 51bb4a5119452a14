"""Tiles against the whole matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.search import tiles
from vultus.search.tiles import similarity_rows, similarity_strips, similarity_tiles


def matrix(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 9), st.integers(1, 9))
def test_tiles_cover_the_matrix_once(n: int, m: int, n_rows: int, n_columns: int) -> None:
    a, b = matrix(n), matrix(m, 1)
    found = np.full((n, m), np.nan, np.float32)
    for rows, columns, similarities in similarity_tiles(a, b, n_rows=n_rows, n_columns=n_columns):
        assert np.isnan(found[rows, columns]).all()
        assert similarities.flags["C_CONTIGUOUS"]
        assert similarities.shape == found[rows, columns].shape
        assert len(similarities) <= n_rows
        found[rows, columns] = similarities
    np.testing.assert_allclose(found, a @ b.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (9, 3), (10, 3), (7, 50)])
def test_rows_with_each_other_take_the_upper_triangle(n: int, size: int) -> None:
    a = matrix(n)
    found = np.zeros((n, n), np.float32)
    for rows, columns, similarities in similarity_tiles(a, n_rows=size, n_columns=size):
        assert columns.start >= rows.start
        found[rows, columns] = similarities
    upper = np.triu_indices(n)
    np.testing.assert_allclose(found[upper], (a @ a.T)[upper], rtol=1e-5, atol=1e-5)
    assert not np.tril(found, -size).any()


def test_a_tile_may_be_written_to() -> None:
    a = matrix(8)
    expected = [tile.similarities.copy() for tile in similarity_tiles(a, a, n_rows=3)]
    for tile, whole in zip(similarity_tiles(a, a, n_rows=3), expected, strict=True):
        np.testing.assert_array_equal(tile.similarities, whole)
        tile.similarities[:] = np.nan


def test_codes_are_computed_in_the_type_asked_for() -> None:
    codes = np.full((3, 2000), 127, np.int8)
    [tile] = similarity_tiles(codes, dtype=np.float64)
    assert tile.similarities.dtype == np.float64
    assert (tile.similarities == 127 * 127 * 2000).all()


@pytest.mark.parametrize(
    ("wanted", "given_rows"), [(None, [4, 4, 2]), (3, [3, 3, 3, 1]), (9, [4, 4, 2])]
)
def test_whole_rows_hold_a_bounded_number(
    monkeypatch: pytest.MonkeyPatch, wanted: int | None, given_rows: list[int]
) -> None:
    monkeypatch.setattr(tiles, "TILE_SIMILARITIES", 22)
    a, b = matrix(10), matrix(5, 1)
    found = [tile.similarities.copy() for tile in similarity_rows(a, b, n_rows=wanted)]
    assert [len(part) for part in found] == given_rows
    np.testing.assert_allclose(np.concatenate(found), a @ b.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 8, 9])
def test_few_rows_and_many_give_the_same(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    monkeypatch.setattr(tiles, "_BLOCK_BYTES", 6 * 4 * 10)  # blocks of ten columns
    a, b = matrix(n), matrix(33, 1)
    [tile] = similarity_tiles(a, b)
    np.testing.assert_allclose(tile.similarities, a @ b.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n", [0, 1, 8, 9])
@pytest.mark.parametrize("size", [1, 10, 33, 50])
def test_strips_cover_all_columns(n: int, size: int) -> None:
    a, b = matrix(n), matrix(33, 1)
    found = np.full((n, 33), np.nan, np.float32)
    for columns, similarities in similarity_strips(a, b, n_columns=size):
        assert similarities.shape == (columns.stop - columns.start, n)
        found[:, columns] = similarities.T
        similarities[:] = np.nan
    np.testing.assert_allclose(found, a @ b.T, rtol=1e-5, atol=1e-5)
    assert not list(similarity_strips(a, b[:0], n_columns=size))
