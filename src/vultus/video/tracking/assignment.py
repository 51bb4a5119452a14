"""Who goes with whom at least cost: the Hungarian method."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def assign(cost: Floats, *, limit: float) -> list[tuple[int, int]]:
    """Pairs of rows and columns, each at most once, at least total cost.

    Shortest augmenting paths with potentials (Kuhn 1955, Munkres 1957, in the form of Jonker and
    Volgenant 1987), O(n^3).

    Args:
        cost: (n, m) float64, finite.
        limit: Staying alone costs so much; no pair that costs as much or more is made.

    Returns:
        Row and column of each pair, by rows.
    """
    n, m = cost.shape
    if not n or not m:
        return []
    if n > m:
        return sorted((row, column) for column, row in assign(cost.T, limit=limit))
    matched = _columns(np.minimum(cost, limit))
    return [(row, column) for row, column in enumerate(matched) if cost[row, column] < limit]


def _columns(cost: Floats) -> list[int]:
    """The column of each row; there are at least as many columns as rows."""
    n, m = cost.shape
    # Row and column 0 stand for nobody.
    of_row, of_column = np.zeros(n + 1), np.zeros(m + 1)  # potentials
    row_of = np.zeros(m + 1, np.int64)
    for row in range(1, n + 1):
        row_of[0], column = row, 0
        least = np.full(m + 1, np.inf)
        before = np.zeros(m + 1, np.int64)
        reached = np.zeros(m + 1, np.bool_)
        while row_of[column]:
            reached[column] = True
            here = row_of[column]
            reduced = cost[here - 1] - of_row[here] - of_column[1:]
            open_ = ~reached[1:]
            better = open_ & (reduced < least[1:])
            least[1:][better], before[1:][better] = reduced[better], column
            following = 1 + int(np.argmin(np.where(open_, least[1:], np.inf)))
            step = least[following]
            of_row[row_of[reached]] += step
            of_column[reached] -= step
            least[1:][open_] -= step
            column = following
        while column:
            row_of[column], column = row_of[before[column]], int(before[column])
    columns = [0] * n
    for column in range(1, m + 1):
        if row_of[column]:
            columns[row_of[column] - 1] = column - 1
    return columns
