"""Cosine similarity between embeddings; refuses to compare two spaces."""

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings, check_same_space
from vultus.core.errors import InputError


def similarity_matrix(a: Embeddings, b: Embeddings) -> npt.NDArray[np.float32]:
    """Cosine similarity of every row of ``a`` with every row of ``b``.

    Returns:
        (len(a), len(b)) float32 in [-1, 1].

    Raises:
        SpaceMismatchError: If the spaces differ.
    """
    check_same_space(a.space, b.space)
    return np.asarray(np.clip(a.vectors @ b.vectors.T, -1, 1), np.float32)


def paired_similarity(a: Embeddings, b: Embeddings) -> npt.NDArray[np.float32]:
    """Cosine similarity of row i of ``a`` with row i of ``b``.

    Returns:
        (n,) float32 in [-1, 1].

    Raises:
        SpaceMismatchError: If the spaces differ.
        InputError: If the lengths differ.
    """
    check_same_space(a.space, b.space)
    if len(a) != len(b):
        raise InputError(f"paired embeddings must be equally many, got {len(a)} and {len(b)}")
    dots = np.einsum("nd,nd->n", a.vectors, b.vectors)
    return np.asarray(np.clip(dots, -1, 1), np.float32)
