"""Which rows can be among the best of which probe, by float32 products, for a batch at once.

All that is told here is told per (probe, row): two arrays of the same length. So a batch takes as
many calls of NumPy as one probe.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vultus.search.tiles import similarity_strips

PROBES_AT_ONCE = 128
_STRIP = 1 << 16
_STRIP_SIMILARITIES = 1 << 19
"""Similarities of a strip of several probes: they stay in the cache until they were looked at."""
_LEAST_STRIP = 2048
_STRIDE = 64
"""Rows of a block of which the maximum is kept."""
_MULTIPLIED_AT_ONCE = 1 << 19


class Pairs(NamedTuple):
    """Probes with rows.

    Attributes:
        probes: (m,) int64 numbers of probes.
        rows: (m,) int64 numbers of rows.
    """

    probes: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many at most (no more than may be found; None for all), and how alike at least."""

    rank: int | None
    threshold: float | None = None


def near_pairs(
    probes: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.float32],
    wanted: Wanted,
    *,
    left_out: npt.NDArray[np.bool_] | None = None,
) -> Pairs:
    """The pairs among which every answer must be, all that tie with them included.

    Args:
        probes: (p, dim) float32, rows of length 1.
        vectors: (n, dim) float32, rows of length 1.
        wanted: What is asked for.
        left_out: (n,) rows that must not be found. None for none.
    """
    parts = [
        _near_part(probes[start : start + PROBES_AT_ONCE], vectors, wanted, left_out)
        for start in range(0, len(probes), PROBES_AT_ONCE)
    ]
    if len(parts) == 1:
        return parts[0]
    starts = range(0, len(probes), PROBES_AT_ONCE)
    numbers = [part.probes + start for part, start in zip(parts, starts, strict=True)]
    none = np.zeros(0, np.int64)
    rows = [part.rows for part in parts]
    return Pairs(np.concatenate([none, *numbers]), np.concatenate([none, *rows]))


def _near_part(
    probes: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.float32],
    wanted: Wanted,
    left_out: npt.NDArray[np.bool_] | None,
) -> Pairs:
    error = rounding_bound(probes.shape[1])
    least = -np.inf if wanted.threshold is None else wanted.threshold
    floors = np.full(len(probes), least)
    size = min(_STRIP, max(_LEAST_STRIP, _STRIP_SIMILARITIES // max(1, len(probes))))
    found, values = [], []
    for columns, rough in similarity_strips(probes, vectors, n_columns=size):
        if left_out is not None:
            rough[left_out[columns]] = -np.inf
        near, floors = near_in(rough, wanted.rank, error=error, floors=floors)
        values.append(rough[near.rows, near.probes])
        found.append(Pairs(near.probes, near.rows + columns.start))
    if not found:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    pairs = Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))
    if wanted.rank is None or len(pairs.rows) <= 2 * wanted.rank * len(probes):
        return pairs  # computing some more in float64 is cheaper than to rule them out
    return _pruned(pairs, np.concatenate(values), wanted.rank, error)


def near_in(
    rough: npt.NDArray[np.float32],
    rank: int | None,
    *,
    error: float,
    floors: npt.NDArray[np.float64],
) -> tuple[Pairs, npt.NDArray[np.float64]]:
    """The pairs of one strip among which the best must be, all that tie with them included.

    Args:
        rough: (n, p) similarities of n rows, each off by ``error`` at most; -inf is never among
            the pairs.
        rank: How many are asked for; None for everyone above the floors.
        error: At least 0.
        floors: (p,) true similarities; who is answered as worse than these is of no interest.

    Returns:
        The pairs, and the floors, raised to what ``rank`` rows seen here reach.
    """
    n_rows, n_probes = rough.shape
    n_blocks = n_rows // _STRIDE
    if rank is not None and n_rows > rank:
        best = rough
        if n_blocks > rank:
            # Row i belongs to block i mod n_blocks: one pass, and neighbours that are alike
            # (photos of one person) fall into different blocks. `rank` rows reach the least of
            # the `rank` best maxima, so the cut is at least that.
            blocks = rough[: n_blocks * _STRIDE].reshape(_STRIDE, n_blocks, n_probes)
            best = blocks.max(axis=0)
        reached = np.partition(best, len(best) - rank, axis=0)[len(best) - rank]
        floors = np.maximum(floors, reached.astype(np.float64) - error)
    hits = np.flatnonzero(rough >= _below(lowest_worths(floors) - error))
    rows, probes = np.divmod(hits, n_probes) if n_probes > 1 else (hits, np.zeros_like(hits))
    return Pairs(probes, rows), floors


def _pruned(pairs: Pairs, values: npt.NDArray[np.float32], rank: int, error: float) -> Pairs:
    """The pairs of all strips without those that the others rule out."""
    order = np.lexsort((-values, pairs.probes))
    owners, sorted_values = pairs.probes[order], values[order]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    ends = np.append(starts[1:], len(owners))
    long = starts + rank <= ends
    reached = sorted_values[np.where(long, starts + rank - 1, starts)].astype(np.float64)
    cuts = _below(lowest_worths(np.where(long, reached - error, -np.inf)) - error)
    kept = order[sorted_values >= np.repeat(cuts, ends - starts)]
    return Pairs(pairs.probes[kept], pairs.rows[kept])


def pair_similarities(
    probes: npt.NDArray[np.float32], vectors: npt.NDArray[np.float32], pairs: Pairs
) -> npt.NDArray[np.float32]:
    """What every search answers: summed in float64, cut to [-1, 1], rounded to float32.

    Args:
        probes: (p, dim) float32.
        vectors: (n, dim) float32.
        pairs: Which with which.

    Returns:
        (m,) float32; the value of a pair does not depend on the others.
    """
    answered = np.empty(len(pairs.rows), np.float32)
    wide = probes.astype(np.float64)
    size = max(1, _MULTIPLIED_AT_ONCE // probes.shape[1])
    for start in range(0, len(answered), size):
        part = slice(start, start + size)
        products = vectors[pairs.rows[part]].astype(np.float64)
        products *= wide[pairs.probes[part]]
        answered[part] = np.clip(products.sum(axis=1), -1, 1)
    return answered


def ranked(
    owners: npt.NDArray[np.int64],
    similarities: npt.NDArray[np.float32],
    ids: npt.NDArray[np.int64],
    *,
    n_probes: int,
    rank: int | None,
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Each probe's ids and similarities, best first; of equally similar ones the smaller id first.

    Args:
        owners: (m,) numbers of probes.
        similarities: (m,).
        ids: (m,).
        n_probes: How many lists to give.
        rank: How long they are at most; None for all.
    """
    order = np.lexsort((ids, -similarities, owners))
    bounds = np.searchsorted(owners[order], np.arange(n_probes + 1)).tolist()
    ids, similarities = ids[order], similarities[order]
    spans = [
        slice(start, end if rank is None else min(end, start + rank))
        for start, end in pairwise(bounds)
    ]
    return [(ids[span], similarities[span]) for span in spans]


def rounding_bound(dim: int) -> float:
    """How far a float32 dot product of two unit vectors may lie from its true value.

    Higham, "Accuracy and Stability of Numerical Algorithms", eq. 3.5: in whatever order it is
    summed, it is off by at most ``n u / (1 - n u) |x| |y|`` with u = 2^-24. Lengths may be 1.001.
    """
    error = (dim + 1) * 2.0**-24
    return 1.01 * error / (1 - error) if error < 1 else 2.0


def lowest_worth(similarity: float) -> float:
    """The least true similarity of a row that may be answered no worse than ``similarity``.

    Answers are cut to [-1, 1] and rounded to float32, whose values lie at most 2^-24 apart there.
    Thus two true values that are further apart than that are answered in their order, and two
    beyond the same end of the interval alike (then their numbers decide).
    """
    worth = min(similarity, 1.0) - 2.0**-24
    return worth if worth >= -1 else -2.0  # below every similarity, above a left-out row's -inf


def lowest_worths(similarities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`lowest_worth` of each."""
    worth = np.minimum(similarities, 1.0) - 2.0**-24
    return np.where(worth >= -1, worth, -2.0)


def _below(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Float32 numbers that are no larger."""
    below: npt.NDArray[np.float32] = np.nextafter(np.float32(values), np.float32(-np.inf))
    return below
