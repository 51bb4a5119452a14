"""A shorter way that may miss somebody: the rows whose signs agree best with the probe's.

Of every vector only the signs are kept, a bit each; by how many of them two vectors differ tells
roughly how alike they are (Charikar 2002: a share of arccos(similarity) / pi on average). The rows
that differ least are compared as usual. Nothing proves that the best are among them: what that
costs is measured by `vultus.search.approximation_cost`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.search.coded import can_scan

_AT_ONCE = 1 << 16
_WORD = 64


def signs(vectors: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """(n, ceil(dim / 64)) uint64, a bit for each number of (n, dim) that is above 0."""
    n, dim = vectors.shape
    words = -(-dim // _WORD)
    packed = np.zeros((n, words * 8), np.uint8)
    for start in range(0, n, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        packed[part, : -(-dim // 8)] = np.packbits(vectors[part] > 0, axis=1)
    return packed.view(np.uint64)


def agreeing(
    rows: npt.NDArray[np.uint64],
    probe: npt.NDArray[np.uint64],
    n_wanted: int,
    *,
    kept: npt.NDArray[np.bool_] | None,
) -> npt.NDArray[np.int64]:
    """The rows whose signs differ least from a probe's, ties at the end included.

    Args:
        rows: (n, words) as `signs` gives them.
        probe: (words,).
        n_wanted: How many, at least 1.
        kept: (n,) rows that may be among them; None for all.

    Returns:
        Ascending row numbers: ``n_wanted`` and those that tie with the last, or all that are kept.
    """
    distances = np.empty(len(rows), np.uint16)
    counts = np.zeros(_WORD * rows.shape[1] + 1, np.int64)
    if can_scan():
        _scan()(rows, probe, np.ones(0, np.bool_) if kept is None else kept, distances, counts)
    else:
        for start in range(0, len(rows), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            np.bitwise_count(rows[part] ^ probe).sum(axis=1, dtype=np.uint16, out=distances[part])
            own = distances[part] if kept is None else distances[part][kept[part]]
            counts += np.bincount(own, minlength=len(counts))
    up_to = np.cumsum(counts)
    cut = int(np.searchsorted(up_to, min(n_wanted, int(up_to[-1]))))
    near = distances <= cut
    if kept is not None:
        near &= kept
    return np.flatnonzero(near)


@cache
def _scan() -> Callable[..., None]:
    """The compiled count of differing bits."""
    import numba

    ones, pairs, nibbles, last = (
        np.uint64(word)
        for word in (
            0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 0x0101010101010101
        )
    )  # fmt: skip
    one, two, four, shift = (np.uint64(number) for number in (1, 2, 4, 56))

    def scan(rows: Any, probe: Any, kept: Any, distances: Any, counts: Any) -> None:
        for row in range(len(rows)):
            total = np.uint64(0)
            for i in range(len(probe)):
                x = rows[row, i] ^ probe[i]
                # The classical sum of bits, which compilers turn into one instruction.
                x = x - ((x >> one) & ones)
                x = (x & pairs) + ((x >> two) & pairs)
                x = (x + (x >> four)) & nibbles
                total += (x * last) >> shift
            distances[row] = total
            if not len(kept) or kept[row]:
                counts[total] += 1

    compiled: Callable[..., None] = numba.njit(nogil=True)(scan)
    return compiled
