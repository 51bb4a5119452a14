"""A compressed scan that proves its answer: int8 codes, and how far each of them may be off.

A row x is kept as x' = s c (c int8, s float32) with the length r of what is left, x - x'. A probe
q becomes t w (w int16) with ``e = |q - t w|``. For every row, with N the greatest length of a row::

    <q, x> = t s <w, c> + <q - t w, x'> + <q, x - x'>
    |<q, x> - t s <w, c>| <= e |x'| + |q| r <= e (N + r) + |q| r = (|q| + e) r + e N     (1)

by Cauchy-Schwarz and ``|x'| <= |x| + r``. <w, c> is an exact int32: ``|<w, c>| <= dim 127 max|w|``,
and ``max|w|`` is chosen so that this stays below 2^31. s is the float32 that is stored, and r is
rounded up, so neither adds an error. What float64 adds, in (1) itself and in the sum that a row is
answered with, is at most (dim + 16) 2^-52. Hence for the sum E of every row::

    |E - t s <w, c>| <= margin = (|q| + e) r + e N + (dim + 16) 2^-52                    (2)

With L the k-th greatest lower bound, k rows are answered at least as well as L, and whoever has an
upper bound below `lowest_worth(L)` is answered worse than these k. All others are candidates:
ranked again with the exact vectors they give what a search of all rows gives, ties included.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vultus.core.checks import frozen
from vultus.search.near import lowest_worth

LONGEST = 1.002
"""No row is longer; unit vectors may be off by 0.001, measured in float32."""
MOST_CANDIDATES = 4096
"""Candidates of one probe; with more, codes decide nothing and all rows are compared."""
_LEVELS = 127
_ENCODED_AT_ONCE = 4096
_BLOCK_BYTES = 1 << 18
"""Codes that every probe of a batch meets while they are in the cache."""
_WARM: set[int] = set()
_NOBODY = -4.0  # below every lower bound: similarities are above -1.01, margins below 2


class CodedRows(NamedTuple):
    """Rows rounded to int8.

    Attributes:
        codes: (n, dim) int8 in [-127, 127].
        scales: (n,) float32; codes times scale is the rounded row.
        radii: (n,) float32, at least the distance of a row from its rounded self; NaN for a row
            that is not to be found.
    """

    codes: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    radii: npt.NDArray[np.float32]


class CodedProbes(NamedTuple):
    """Probes rounded to int16, with the numbers of inequality (2).

    Attributes:
        codes: (p, dim) int16.
        steps: (p,) float64, t.
        per_radius: (p,) float64, ``|q| + e``.
        fixed: (p,) float64, e N and what float64 adds.
    """

    codes: npt.NDArray[np.int16]
    steps: npt.NDArray[np.float64]
    per_radius: npt.NDArray[np.float64]
    fixed: npt.NDArray[np.float64]


class _Found(NamedTuple):
    """What one thread has seen so far, per probe: best lower bounds, and candidates."""

    lowers: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    uppers: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]


def can_scan() -> bool:
    """True where numba is installed (the ``search`` extra)."""
    return find_spec("numba") is not None


def encode(vectors: npt.NDArray[np.float32]) -> CodedRows:
    """Round unit vectors to int8, each with the scale that leaves least.

    Args:
        vectors: (n, dim) float32, rows of length 1; a row of zeros is one that was erased.
    """
    n, dim = vectors.shape
    coded = CodedRows(np.empty((n, dim), np.int8), np.empty(n, np.float32), np.empty(n, np.float32))
    for start in range(0, n, _ENCODED_AT_ONCE):
        part = slice(start, start + _ENCODED_AT_ONCE)
        largest = np.abs(vectors[part]).max(axis=1, keepdims=True).astype(np.float64)
        x = vectors[part].astype(np.float64)
        if (erased := largest[:, 0] == 0).any():
            x[erased] = largest[erased] = 1
        c = x * (_LEVELS / largest)
        np.rint(c, out=c)
        coded.codes[part] = c
        coded.codes[part][erased] = 0
        coded.scales[part] = np.vecdot(x, c) / np.vecdot(c, c)
        # Products of float32 and int8 are exact in float64 and differences are rounded once, so the
        # length is off by some dim * 2^-53 of itself: the next float32 is above it.
        c *= coded.scales[part, None].astype(np.float64)
        x -= c
        left = np.sqrt(np.vecdot(x, x))
        coded.radii[part] = np.nextafter(left.astype(np.float32), np.float32(np.inf))
        coded.radii[part][erased] = np.nan
    return coded


def encode_probes(probes: npt.NDArray[np.float32]) -> CodedProbes:
    """Round probes to int16, as finely as int32 sums allow at their dimension.

    Args:
        probes: (p, dim) float32, rows of length 1.
    """
    dim = probes.shape[1]
    q = probes.astype(np.float64)
    levels = probe_levels(dim)
    steps = np.abs(q).max(axis=1) / levels
    w = np.clip(np.rint(q / steps[:, None]), -levels, levels)
    error = np.linalg.norm(q - steps[:, None] * w, axis=1) * (1 + 1e-9) + dim * 2.0**-53
    per_radius = np.linalg.norm(q, axis=1) * (1 + 1e-9) + error
    fixed = error * LONGEST + (dim + 16) * 2.0**-52
    return CodedProbes(w.astype(np.int16), steps, per_radius, fixed)


def probe_levels(dim: int) -> int:
    """The greatest ``|w|`` at which no int32 sum of ``dim`` products with int8 codes overflows."""
    return min(np.iinfo(np.int16).max, np.iinfo(np.int32).max // (_LEVELS * dim))


def warm(dim: int) -> None:
    """Compile the scan for this dimension (about a second), so that no search has to wait."""
    unit = np.eye(1, dim, dtype=np.float32)
    candidates(encode(unit), unit, rank=1)
    _WARM.add(dim)


def is_warm(dim: int) -> bool:
    """Whether the scan is compiled for this dimension in this process."""
    return dim in _WARM


def candidates(
    coded: CodedRows,
    probes: npt.NDArray[np.float32],
    *,
    rank: int | None = None,
    threshold: float | None = None,
    keep: npt.NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> list[npt.NDArray[np.int64] | None]:
    """The rows among which the best must be, for every probe.

    Args:
        coded: The rows.
        probes: (p, dim) float32, rows of length 1.
        rank: How many are asked for; None for everyone who reaches the threshold.
        threshold: Least similarity of interest; None for any.
        keep: (n,) rows that may be found; None for all.
        threads: Threads that share the rows.

    Returns:
        Ascending row numbers per probe; None where more than `MOST_CANDIDATES` came into question
        at once, so that all rows must be compared.
    """
    n, dim = coded.codes.shape
    floor = lowest_worth(-2.0 if threshold is None else threshold)
    kept = np.ones(0, np.bool_) if keep is None else keep
    spans = [(n * i // threads, n * (i + 1) // threads) for i in range(threads)]
    prepared, scan = encode_probes(probes), _scan(dim)
    # Read-only, as they come from a file: numba would compile the scan once more for others.
    coded = CodedRows(*(frozen(array) for array in coded))

    def run(span: tuple[int, int]) -> _Found:
        found = _nothing_found(len(probes), rank or 0)
        scan(coded, prepared, kept, span, floor, found)
        return found

    if threads == 1:
        parts = [run(spans[0])]
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(run, spans))
    return [_merge(parts, number, rank) for number in range(len(probes))]


def _nothing_found(probes: int, rank: int) -> _Found:
    return _Found(
        np.full((probes, rank), _NOBODY),
        np.empty((probes, MOST_CANDIDATES), np.int64),
        np.empty((probes, MOST_CANDIDATES)),
        np.zeros(probes, np.int64),
    )


def _merge(parts: list[_Found], number: int, rank: int | None) -> npt.NDArray[np.int64] | None:
    """Candidates of one probe from all threads, without those that another thread rules out."""
    if any(part.counts[number] < 0 for part in parts):
        return None
    rows = np.concatenate([part.rows[number, : part.counts[number]] for part in parts])
    if rank is None or len(parts) == 1:
        return rows
    lowers = np.sort(np.concatenate([part.lowers[number] for part in parts]))
    uppers = np.concatenate([part.uppers[number, : part.counts[number]] for part in parts])
    return rows[uppers >= lowest_worth(float(lowers[len(lowers) - rank]))]


def _squeeze(rows: Any, uppers: Any, count: int, cut: float) -> int:
    """Forget candidates that are out by now; gives how many are left."""
    left = 0
    for i in range(count):
        if uppers[i] >= cut:
            rows[left], uppers[left] = rows[i], uppers[i]
            left += 1
    return left


def _insert(lowers: Any, lower: float) -> None:
    """Put a bound among the greatest, which are in descending order, in place of the last."""
    place = len(lowers) - 1
    while place > 0 and lowers[place - 1] < lower:
        lowers[place] = lowers[place - 1]
        place -= 1
    lowers[place] = lower


@cache
def _scan(dim: int) -> Callable[..., None]:
    """The compiled scan: all probes meet a block of rows while it is in the cache.

    It is compiled anew in every process: numba keeps compiled code on disk as pickles, and who can
    write to that folder could run code here.
    """
    import numba

    block: Any = numba.njit(nogil=True)(_block_scan(dim))
    rows_at_once = max(1, _BLOCK_BYTES // dim)

    def scan(coded: Any, probes: Any, kept: Any, span: Any, floor: float, found: Any) -> None:
        # One probe meets every row once: nothing is gained by going from block to block.
        at_once = rows_at_once if len(probes.codes) > 1 else max(1, span[1] - span[0])
        for start in range(span[0], span[1], at_once):
            part = (start, min(start + at_once, span[1]))
            for p in range(len(probes.codes)):
                if found.counts[p] >= 0:
                    numbers = (floor, probes.steps[p], probes.per_radius[p], probes.fixed[p])
                    own = (found.lowers[p], found.rows[p], found.uppers[p], found.counts[p])
                    found.counts[p] = block(coded, probes.codes[p], numbers, kept, part, own)

    compiled: Callable[..., None] = numba.njit(nogil=True)(scan)
    return compiled


def _block_scan(dim: int) -> Callable[..., int]:
    """One probe and one block of rows, to be compiled; gives the new count, or -1 for too many.

    ``dim`` is a constant of the compiled code, so that the dot product is unrolled.
    """
    import numba

    worth: Any = numba.njit(lowest_worth)
    squeeze: Any = numba.njit(_squeeze)
    insert: Any = numba.njit(_insert)

    def block(coded: Any, w: Any, numbers: Any, kept: Any, span: Any, found: Any) -> int:
        floor, step, per_radius, fixed = numbers
        lowers, rows, uppers, count = found
        cut = max(floor, worth(lowers[-1])) if len(lowers) else floor
        for row in range(span[0], span[1]):
            if len(kept) and not kept[row]:
                continue
            total = np.int32(0)
            for i in range(dim):
                total = np.int32(total + np.int32(coded.codes[row, i]) * np.int32(w[i]))
            estimate = step * coded.scales[row] * total
            margin = per_radius * coded.radii[row] + fixed
            if estimate + margin >= cut:  # never, where the radius is NaN
                if len(lowers) and estimate - margin > lowers[-1]:
                    insert(lowers, estimate - margin)
                    cut = max(floor, worth(lowers[-1]))
                if count == len(rows):
                    count = squeeze(rows, uppers, count, cut)
                    if 2 * count > len(rows):
                        return -1
                rows[count], uppers[count] = row, estimate + margin
                count += 1
        return int(squeeze(rows, uppers, count, cut))

    return block
