"""Compact templates: one byte per dimension, compared without unpacking the gallery."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.embeddings import Embeddings, EmbeddingSpace, check_same_space
from vultus.core.errors import InputError
from vultus.core.rows import freeze_arrays
from vultus.search.tiles import similarity_tiles

_LEVELS = 127
EXACT_IN_FLOAT32 = 2**24 // _LEVELS**2
"""Up to this many dimensions (1,040) an int8 dot product is an integer that float32 holds."""


@dataclass(frozen=True, slots=True, eq=False)
class CompactTemplates:
    """Unit vectors rounded to int8: 128 bytes a face at 128 dimensions.

    The codes alone give the direction, so no scale has to be kept: the cosine of two faces is
    their integer dot product over the lengths of the two code vectors.

    Attributes:
        codes: (n, dim) int8 in [-127, 127]; no row is all zero.
        space: The space of the embeddings that they were made from.
    """

    codes: npt.NDArray[np.int8]
    space: EmbeddingSpace

    def __post_init__(self) -> None:
        check_array("codes", self.codes, dtype=np.int8, shape=("n", self.space.dim))
        zero = np.flatnonzero(~self.codes.any(axis=1))
        if len(zero):
            raise InputError(f"codes must not have an all-zero row, got one at {int(zero[0])}")
        freeze_arrays(self)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def bytes_per_face(self) -> int:
        """Bytes that one face takes: one per dimension."""
        return self.space.dim

    def lengths(self) -> npt.NDArray[np.float32]:
        """(n,) float32 Euclidean lengths of the code vectors, from exact integer sums."""
        squares = np.einsum("nd,nd->n", self.codes, self.codes, dtype=np.int32)
        return np.asarray(np.sqrt(squares), np.float32)


def quantize(embeddings: Embeddings) -> CompactTemplates:
    """Round unit vectors to int8, each row scaled so that its largest entry becomes 127.

    Measured on 2026-11-22 with a 128-d MobileFaceNet (flipped view added) on development photos:
    TAR at FMR 1e-3 went from 78.13 % to 78.05 % (2,346 genuine and 3,000 impostor pairs, thus 2
    genuine pairs fewer); over all pairs of the same 2,494 photos (18,779 genuine, 3,089,992
    impostor) from 85.80 % to 85.77 %. Similarities moved by 0.0006 on average, 0.0026 at most.
    """
    largest = np.abs(embeddings.vectors).max(axis=1, keepdims=True, initial=0)
    codes = np.rint(embeddings.vectors * (_LEVELS / largest)).astype(np.int8)
    return CompactTemplates(codes, embeddings.space)


def compact_similarity(a: CompactTemplates, b: CompactTemplates) -> npt.NDArray[np.float32]:
    """Cosine similarity of every row of ``a`` with every row of ``b``.

    The dot products are exact integers. They are computed tile by tile in a floating type that
    holds them exactly (which is where the fast matrix product is), so only one tile of codes at a
    time is ever wider than a byte.

    Returns:
        (len(a), len(b)) float32 in [-1, 1].

    Raises:
        SpaceMismatchError: If the spaces differ.
    """
    check_same_space(a.space, b.space)
    exact = np.float32 if a.space.dim <= EXACT_IN_FLOAT32 else np.float64
    left, right = a.lengths()[:, None], b.lengths()
    similarity = np.empty((len(a), len(b)), np.float32)
    for rows, columns, dots in similarity_tiles(a.codes, b.codes, dtype=exact):
        similarity[rows, columns] = dots / (left[rows] * right[columns])
    return np.clip(similarity, -1, 1, out=similarity)
