from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, SpaceMismatchError
from vultus.core.similarity import similarity_matrix
from vultus.search import int8 as module
from vultus.search.int8 import CompactTemplates, compact_similarity, quantize
from vultus.search.tiles import similarity_tiles


def random_faces(n: int, dim: int, seed: int) -> Embeddings:
    space = EmbeddingSpace("toy", "0" * 64, "none", dim)
    return Embeddings.from_raw(np.random.default_rng(seed).standard_normal((n, dim)), space)


def test_128_dimensions_take_128_bytes() -> None:
    compact = quantize(random_faces(10, 128, 0))
    assert compact.codes.nbytes == 10 * compact.bytes_per_face == 1280


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 6), st.integers(0, 9), st.sampled_from([2, 128, 1040, 1041]), st.integers(0, 999)
)
def test_similarity_is_the_exact_integer_cosine(n: int, m: int, dim: int, seed: int) -> None:
    a, b = quantize(random_faces(n, dim, seed)), quantize(random_faces(m, dim, seed + 1))
    x, y = a.codes.astype(np.int64), b.codes.astype(np.int64)
    lengths = np.sqrt((x**2).sum(1))[:, None] * np.sqrt((y**2).sum(1))
    expected = (x @ y.T) / lengths
    np.testing.assert_allclose(compact_similarity(a, b), expected, atol=3e-7)


def test_the_largest_dot_product_is_exact() -> None:
    dim = module.EXACT_IN_FLOAT32
    space = EmbeddingSpace("toy", "0" * 64, "none", dim)
    full = CompactTemplates(np.full((1, dim), 127, np.int8), space)
    off = np.full((1, dim), 127, np.int8)
    off[0, 0] = 126
    assert full.lengths()[0] == np.float32(127 * np.sqrt(dim))
    dots = full.codes.astype(np.float32) @ off.astype(np.float32).T
    assert int(dots[0, 0]) == 127 * 127 * dim - 127


def test_tiles_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = quantize(random_faces(5, 128, 1)), quantize(random_faces(77, 128, 2))
    whole = compact_similarity(a, b)
    small = partial(similarity_tiles, n_rows=3, n_columns=10)
    monkeypatch.setattr(module, "similarity_tiles", small)
    np.testing.assert_array_equal(compact_similarity(a, b), whole)


def test_rounding_moves_similarities_by_little() -> None:
    faces = random_faces(200, 128, 3)
    compact = quantize(faces)
    moved = np.abs(compact_similarity(compact, compact) - similarity_matrix(faces, faces))
    assert moved.max() < 0.01
    assert moved.mean() < 0.001


def test_one_sided_vectors_and_their_opposites_keep_their_cosine() -> None:
    space = EmbeddingSpace("toy", "0" * 64, "none", 3)
    faces = Embeddings.from_raw(np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0]]), space)
    compact = quantize(faces)
    np.testing.assert_array_equal(
        compact_similarity(compact, compact), [[1, -1, 0], [-1, 1, 0], [0, 0, 1]]
    )


def test_bad_input_is_refused() -> None:
    space = EmbeddingSpace("toy", "0" * 64, "none", 3)
    with pytest.raises(InputError, match="all-zero"):
        CompactTemplates(np.zeros((1, 3), np.int8), space)
    with pytest.raises(InputError, match="int8"):
        CompactTemplates(np.zeros((1, 3), np.int16), space)
    with pytest.raises(SpaceMismatchError):
        compact_similarity(quantize(random_faces(1, 2, 0)), quantize(random_faces(1, 3, 0)))
