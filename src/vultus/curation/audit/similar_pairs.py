"""Similarities of many vectors with many, tile by tile: only what is high is kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int
from vultus.search.tiles import TILE, similarity_tiles

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
    for rows, columns, scores in similarity_tiles(vectors, centres):
        scores[np.isnan(scores)] = -np.inf
        inside = np.flatnonzero((own[rows] >= columns.start) & (own[rows] < columns.stop))
        scores[inside, own[rows][inside] - columns.start] = -np.inf
        nearest = scores.argmax(axis=1)
        found = scores[np.arange(len(scores)), nearest]
        higher = found > best[rows]
        best[rows] = np.where(higher, found, best[rows])
        labels[rows] = np.where(higher, nearest + columns.start, labels[rows])
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
    for down, across, scores in similarity_tiles(vectors, others, n_rows=tile, n_columns=tile):
        rows, columns = np.nonzero(scores >= threshold)
        if others is None and down == across:
            upper = rows < columns
            rows, columns = rows[upper], columns[upper]
        if len(rows):
            yield rows + down.start, columns + across.start, scores[rows, columns]
