"""Impostor scores that stream by: counted into fine bins, the highest kept one by one.

Binning by a power of two rounds nothing, so that at bin edges and in the kept tail the counts are
exact, not estimates, however many scores there were.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.rows import freeze_arrays
from vultus.evaluation.measures.rates import RocCurve
from vultus.evaluation.measures.scores import count_at_or_above

BINS_PER_UNIT = 1 << 15
_N_BINS = 2 * BINS_PER_UNIT
TAIL = 100_000
MAX_COUNTED = 1 << 22
"""Scores counted at once: calcHist counts in float32, which is exact below 2^24."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ImpostorScores:
    """Impostor scores, condensed.

    Attributes:
        tail: (t,) float32, the highest scores, falling: every one above ``tail_floor``.
        tail_pairs: (t, 2) int64, the two sides of each, in the order in which they were given.
        tail_floor: Scores at or below it are only in ``counts``.
        counts: (65536,) int64, scores in [k / 32768 - 1, (k + 1) / 32768 - 1); 1.0 falls in the
            last bin.
    """

    tail: npt.NDArray[np.float32]
    tail_pairs: npt.NDArray[np.int64]
    tail_floor: float
    counts: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __len__(self) -> int:
        return int(self.counts.sum())

    def curve(self, genuine: npt.NDArray[np.float32], *, n_genuine: int) -> RocCurve:
        """The ROC with these genuine scores: exact at each of its thresholds.

        Above ``tail_floor`` every distinct score is one; below it the edges of the bins are.

        Args:
            genuine: (g,) float32, those that could be computed.
            n_genuine: How many there should have been; the others never match.

        Raises:
            InputError: If there is no genuine or no impostor comparison.
        """
        tail, known = self.tail.astype(np.float64), genuine.astype(np.float64)
        above = np.unique(np.concatenate([tail, known[known > self.tail_floor]]))[::-1]
        filled = np.flatnonzero(self.counts)[::-1]
        edges = filled / BINS_PER_UNIT - 1
        at_edges = np.cumsum(self.counts[filled])
        below = edges <= self.tail_floor
        thresholds = np.concatenate([[np.inf], above, edges[below]])
        matches = np.concatenate([[0], count_at_or_above(tail, above), at_edges[below]])
        return RocCurve(
            thresholds,
            matches.astype(np.int64),
            count_at_or_above(known, thresholds),
            n_genuine,
            len(self),
        )


class ImpostorStream:
    """Takes impostor scores in portions of any number; memory does not grow with it.

    Args:
        tail: How many of the highest to keep one by one. FMR down to ``tail / n`` is then exact
            at every threshold.

    Attributes:
        floor: Scores at or below it are not kept one by one any more.
    """

    def __init__(self, *, tail: int = TAIL) -> None:
        self._capacity = check_positive_int("tail", tail)
        self.floor = -np.inf
        self._counts = np.zeros(_N_BINS, np.int64)
        self._tail: list[tuple[npt.NDArray[np.float32], Places, Places]] = []
        self._n_buffered = 0
        self._bins = np.empty(0, np.float32)
        self._codes = np.empty((1, 0), np.uint16)

    def add_tile(
        self,
        scores: npt.NDArray[np.float32],
        *,
        top: int,
        left: int,
        chosen: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Count a tile of a matrix of scores.

        Args:
            scores: (r, c) float32, contiguous in memory.
            top: Row of its first row in the matrix.
            left: Column of its first column.
            chosen: (r, c) bool, which scores count; None for all.
        """
        self._count(scores.ravel() if chosen is None else scores[chosen])
        high = scores > self.floor
        places = np.flatnonzero(high if chosen is None else high & chosen)
        width = scores.shape[1]  # dividing twice by one number is faster than divmod
        self._buffer(scores.ravel()[places], places // width + top, places % width + left)

    def add_listed(
        self, scores: npt.NDArray[np.float32], first: npt.NDArray[Any], second: npt.NDArray[Any]
    ) -> None:
        """Count a list of comparisons.

        Args:
            scores: (n,) float32.
            first: (n,) int, one side of each.
            second: (n,) int, the other.
        """
        self._count(scores)
        high = np.flatnonzero(scores > self.floor)
        self._buffer(scores[high], first[high].astype(np.int64), second[high].astype(np.int64))

    def collect(self) -> ImpostorScores:
        """What has been counted so far, ties in the order of their pairs."""
        self._prune()
        none = np.zeros(0, np.int64)
        empty = (np.zeros(0, np.float32), none, none)
        scores, first, second = self._tail[0] if self._tail else empty
        order = np.lexsort((second, first, -scores))
        pairs = np.stack([first, second], axis=1)[order]
        return ImpostorScores(scores[order], pairs, self.floor, self._counts.copy())

    def _count(self, scores: npt.NDArray[np.float32]) -> None:
        for start in range(0, len(scores), MAX_COUNTED):
            self._count_portion(scores[start : start + MAX_COUNTED])

    def _count_portion(self, scores: npt.NDArray[np.float32]) -> None:
        if len(scores) > len(self._bins):
            self._bins = np.empty(len(scores), np.float32)
            self._codes = np.empty((1, len(scores)), np.uint16)
        # floor(s * 2^15) is exact in float32. Rounding may carry a score over 1 or under -1: the
        # outer bins take it, and 1.0 itself.
        bins, codes = self._bins[: len(scores)], self._codes[:, : len(scores)]
        np.multiply(scores, np.float32(BINS_PER_UNIT), out=bins)
        np.floor(bins, out=bins)
        np.add(bins, np.float32(BINS_PER_UNIT), out=bins)
        np.clip(bins, 0, _N_BINS - 1, out=bins)
        codes[0] = bins
        counts = cv2.calcHist([codes], [0], None, [_N_BINS], [0, _N_BINS])
        self._counts += counts.ravel().astype(np.int64)

    def _buffer(self, scores: npt.NDArray[np.float32], first: Places, second: Places) -> None:
        if len(scores):
            self._tail.append((np.clip(scores, -1, 1), first, second))
            self._n_buffered += len(scores)
            if self._n_buffered > 2 * self._capacity:
                self._prune()

    def _prune(self) -> None:
        """Cut the tail to its capacity; scores equal to the first one dropped go with it."""
        if not self._tail:
            return
        scores, first, second = (np.concatenate(part) for part in zip(*self._tail, strict=True))
        if len(scores) > self._capacity:
            place = len(scores) - self._capacity - 1
            self.floor = float(np.partition(scores, place)[place])
            kept = scores > self.floor
            scores, first, second = scores[kept], first[kept], second[kept]
        self._tail = [(scores, first, second)]
        self._n_buffered = len(scores)
