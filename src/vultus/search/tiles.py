"""Similarities of many rows with many columns, tile by tile: memory grows with neither."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

TILE = 1024
_FEW = 8
"""Up to this many rows a BLAS matrix product is slower than dot products row by row."""
_BLOCK_BYTES = 1 << 19
"""Columns of one block of dot products: they stay in the cache while every row meets them."""
TILE_SIMILARITIES = 1 << 23
"""Similarities that tiles of whole rows hold: 32 MiB."""


class Tile(NamedTuple):
    """A block of a matrix of similarities.

    Attributes:
        rows: Its rows in the matrix.
        columns: Its columns.
        similarities: (rows, columns) of the ``dtype`` asked for, contiguous. It may be written
            to, and holds until the next tile is asked for: all tiles share its memory.
    """

    rows: slice
    columns: slice
    similarities: npt.NDArray[Any]


def similarity_tiles(
    rows: npt.NDArray[Any],
    columns: npt.NDArray[Any] | None = None,
    *,
    n_rows: int = TILE,
    n_columns: int = TILE,
    dtype: type[np.floating[Any]] = np.float32,
) -> Iterator[Tile]:
    """Dot products of the rows of two matrices.

    Float32 products depend on the size of the tiles in their last bit: another size adds up in
    another order. The same size gives the same bits.

    Args:
        rows: (n, d) of any number type.
        columns: (m, d) likewise. None compares the rows with each other: only tiles on and above
            the diagonal come, which must be square.
        n_rows: Rows of a tile, positive; the last ones have what is left.
        n_columns: Columns of a tile.
        dtype: What to compute in; other types are converted tile by tile.

    Yields:
        Tiles from left to right, then from top to bottom.
    """
    others = rows if columns is None else columns
    # One block of memory for all: fresh pages for each tile would cost as much as the product.
    memory = np.empty(min(n_rows, len(rows)) * min(n_columns, len(others)), dtype)
    for top in range(0, len(rows), n_rows):
        a = rows[top : top + n_rows].astype(dtype, copy=False)
        for left in range(top if columns is None else 0, len(others), n_columns):
            b = others[left : left + n_columns].astype(dtype, copy=False)
            similarities = memory[: len(a) * len(b)].reshape(len(a), len(b))
            _multiply(a, b, similarities)
            yield Tile(slice(top, top + len(a)), slice(left, left + len(b)), similarities)


def _multiply(a: npt.NDArray[Any], b: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    if len(a) > _FEW:
        np.matmul(a, b.T, out=out)
        return
    size = len(b) if len(a) == 1 else max(1, _BLOCK_BYTES // max(1, b.itemsize * b.shape[1]))
    for start in range(0, len(b), size):
        block = slice(start, start + size)
        for row, line in zip(a, out, strict=True):
            np.vecdot(b[block], row, out=line[block])


class Strip(NamedTuple):
    """Some columns with all rows.

    Attributes:
        columns: Which.
        similarities: (columns, rows) float32: what belongs to one row is one column here. It may
            be written to, and holds until the next strip is asked for.
    """

    columns: slice
    similarities: npt.NDArray[np.float32]


def similarity_strips(
    rows: npt.NDArray[np.float32], columns: npt.NDArray[np.float32], *, n_columns: int
) -> Iterator[Strip]:
    """Dot products of a few rows with very many columns.

    Laid out the other way round than `similarity_tiles`, in which BLAS takes two thirds of the
    time where the columns are many and the rows are not.

    Args:
        rows: (n, d) float32.
        columns: (m, d) float32.
        n_columns: Columns of a strip; the last one has what is left.
    """
    n_columns = min(n_columns, len(columns))
    memory = np.empty(n_columns * len(rows), np.float32)
    for start in range(0, len(columns), n_columns or 1):
        part = columns[start : start + n_columns]
        own = memory[: len(part) * len(rows)]
        if len(rows) > _FEW:
            similarities = own.reshape(len(part), len(rows))
            np.matmul(part, rows.T, out=similarities)
        else:
            lines = own.reshape(len(rows), len(part))
            _multiply(rows, part, lines)
            similarities = lines.T
        yield Strip(slice(start, start + len(part)), similarities)


def similarity_rows(
    rows: npt.NDArray[Any], columns: npt.NDArray[Any], *, n_rows: int | None = None
) -> Iterator[Tile]:
    """`similarity_tiles` of whole rows, for what must see all columns at once.

    Args:
        rows: (n, d).
        columns: (m, d).
        n_rows: Rows of a tile at most; fewer where they would hold more than 2^23 similarities.
    """
    n_columns = max(1, len(columns))
    fitting = max(1, TILE_SIMILARITIES // n_columns)
    n_rows = fitting if n_rows is None else min(n_rows, fitting)
    return similarity_tiles(rows, columns, n_rows=n_rows, n_columns=n_columns)
