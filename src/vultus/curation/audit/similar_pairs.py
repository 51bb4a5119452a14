"""Similarities of many vectors with many, tile by tile: only what is high is kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int

TILE = 1024

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BestOthers:
    """The centre of another identity that each vector is most like.

    Attributes:
        labels: (n,) int64, which; -1 where there is no other.
        similarities: (n,) float32, cosine; -inf where there is no other.
    """

    labels: Ints
    similarities: Floats


def best_others(vectors: Floats, centres: Floats, *, own: Ints) -> BestOthers:
    """Find for each vector the most similar centre that is not its own.

    Time grows with n times k; memory does not, beside the result.

    Args:
        vectors: (n, d) float32, unit rows.
        centres: (k, d) float32, unit rows; a row of NaN is no centre.
        own: (n,) int64, the centre that does not count for each vector; -1 for none.
    """
    check_array("own", own, dtype=np.int64, shape=(len(vectors),))
    labels = np.full(len(vectors), -1, np.int64)
    best = np.full(len(vectors), -np.inf, np.float32)
    for top in range(0, len(vectors), TILE):
        rows = slice(top, top + TILE)
        for left in range(0, len(centres), TILE):
            scores = vectors[rows] @ centres[left : left + TILE].T
            scores[np.isnan(scores)] = -np.inf
            inside = np.flatnonzero((own[rows] >= left) & (own[rows] < left + scores.shape[1]))
            scores[inside, own[rows][inside] - left] = -np.inf
            columns = scores.argmax(axis=1)
            found = scores[np.arange(len(scores)), columns]
            higher = found > best[rows]
            best[rows] = np.where(higher, found, best[rows])
            labels[rows] = np.where(higher, columns + left, labels[rows])
    return BestOthers(labels, best)


def pairs_above(
    vectors: Floats, threshold: float, *, others: Floats | None = None, tile: int = TILE
) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Find all pairs of rows with at least this cosine similarity.

    Args:
        vectors: (n, d) float32, unit rows; a row of NaN is in no pair.
        threshold: Least similarity.
        others: (m, d) float32 to pair with; None pairs the rows with each other, each pair once.
        tile: Rows and columns computed at once.

    Yields:
        Tile by tile, where there is any: (p,) int64 rows, (p,) int64 rows of ``others`` (or of
        ``vectors``, then the higher of the two), (p,) float32 similarities.
    """
    check_positive_int("tile", tile)
    right = vectors if others is None else others
    for top in range(0, len(vectors), tile):
        a = vectors[top : top + tile]
        for left in range(top if others is None else 0, len(right), tile):
            scores = a @ right[left : left + tile].T
            rows, columns = np.nonzero(scores >= threshold)
            if others is None and left == top:
                upper = rows < columns
                rows, columns = rows[upper], columns[upper]
            if len(rows):
                yield rows + top, columns + left, np.asarray(scores[rows, columns], np.float32)
