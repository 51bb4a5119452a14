import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, SpaceMismatchError
from vultus.core.similarity import paired_similarity, similarity_matrix

SPACE = EmbeddingSpace("net", "0" * 64, "x", 8)


def random_embeddings(n: int, seed: int, space: EmbeddingSpace = SPACE) -> Embeddings:
    return Embeddings.from_raw(np.random.default_rng(seed).normal(size=(n, space.dim)), space)


def test_matrix_equals_the_naive_loop() -> None:
    a, b = random_embeddings(5, 0), random_embeddings(7, 1)
    naive = [[float(np.dot(x.astype("f8"), y.astype("f8"))) for y in b.vectors] for x in a.vectors]
    np.testing.assert_allclose(similarity_matrix(a, b), naive, atol=1e-6)


def test_pairs_are_the_matrix_diagonal_and_stay_within_one() -> None:
    a, b = random_embeddings(6, 0), random_embeddings(6, 1)
    np.testing.assert_allclose(paired_similarity(a, b), np.diag(similarity_matrix(a, b)), atol=1e-6)
    assert paired_similarity(a, a).max() <= 1


def test_two_spaces_are_an_error_never_a_number() -> None:
    other = EmbeddingSpace("net", "1" * 64, "x", 8)
    for compare in (similarity_matrix, paired_similarity):
        with pytest.raises(SpaceMismatchError, match="weights_sha256"):
            compare(random_embeddings(2, 0), random_embeddings(2, 0, other))


def test_unequal_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="equally many, got 2 and 3"):
        paired_similarity(random_embeddings(2, 0), random_embeddings(3, 0))
