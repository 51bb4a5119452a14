"""Many vectors that change, searched exactly in the way that is fastest at their number."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_range, check_unit_rows
from vultus.core.errors import InputError, MissingDependencyError
from vultus.core.text import install_hint
from vultus.search import coded
from vultus.search.exact import exact_similarities, near_above, near_best, near_rows, rounding_bound
from vultus.search.growing import GrowingArray

CODED_FROM = 20_000
"""Rows from which on codes are kept: 10,000 are searched exactly in half a millisecond."""
MOST_CODED_RANK = 500
"""Longer lists are taken from all rows: their candidates would fill the scan's buffer."""
_FEW = 8
"""A filter that leaves an eighth of the rows or less has these copied, and only these compared."""
_PROBES_AT_ONCE = 64
_BYTES_PER_THREAD = 1 << 22
"""Codes below which a thread costs more than it brings."""

Way = Literal["exact", "coded", "coded, then exact"]


@dataclass(frozen=True, slots=True, eq=False)
class SearchAnswer:
    """What was found for one probe.

    Attributes:
        ids: (n,) int64, best first; of equally similar ones first who was added first.
        similarities: (n,) float32 in [-1, 1].
        way: ``"exact"``: all rows compared. ``"coded"``: codes told which rows could be among the
            best. ``"coded, then exact"``: they could not tell enough. The answer is the same.
        reranked: Rows whose similarity was computed in float64.
    """

    ids: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]
    way: Way
    reranked: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How many at most (no more than may be found), and how alike at least."""

    rank: int | None
    threshold: float | None

    def near(self, rough: npt.NDArray[np.float32], *, error: float) -> npt.NDArray[np.int64]:
        """Ascending rows among which the answer must be, given similarities off by ``error``."""
        if self.rank is not None:
            return near_best(rough, rank=self.rank, error=error)
        return near_above(rough, -1.0 if self.threshold is None else self.threshold, error=error)


class _Codes(NamedTuple):
    """The arrays of `CodedRows`, growing; empty while no codes are kept."""

    codes: GrowingArray
    scales: GrowingArray
    radii: GrowingArray


class VectorIndex:
    """Unit vectors under running numbers: added, removed, searched.

    Every way gives the same answer, to the last bit and the last tie: the one of comparing all rows
    in float64. Any number of threads may search at once while none adds or removes.

    Args:
        dim: Length of a vector.
        way: ``"exact"`` compares all rows. ``"coded"`` keeps a quarter more memory and proves by
            int8 codes that most rows need no look. ``"auto"`` takes codes from `CODED_FROM` rows on
            where numba is installed (the ``search`` extra).
        threads: Threads of a coded search, at most.

    Raises:
        MissingDependencyError: If ``way="coded"`` and numba is not installed.

    Example:
        >>> index = VectorIndex(2)
        >>> index.add(np.array([[1, 0], [0, 1], [1, 0]], np.float32)).tolist()
        [0, 1, 2]
        >>> index.remove([0])
        >>> [answer] = index.search(np.array([[1, 0]], np.float32), rank=2)
        >>> answer.ids.tolist(), answer.similarities.tolist(), answer.way
        ([2, 1], [1.0, 0.0], 'exact')
    """

    def __init__(
        self, dim: int, *, way: Literal["auto", "exact", "coded"] = "auto", threads: int = 1
    ) -> None:
        self.dim = check_positive_int("dim", dim)
        self.threads = check_positive_int("threads", threads)
        if way not in ("auto", "exact", "coded"):
            raise InputError(f"way must be 'auto', 'exact' or 'coded', got {way!r}")
        codable = way != "exact" and coded.probe_levels(dim) > 1 and coded.can_scan()
        if way == "coded" and not codable:
            raise MissingDependencyError(
                f"way='coded' at {dim} dimensions needs numba; {install_hint('search')}"
            )
        # Codes are kept from so many rows on; None: never.
        self._coded_from = None if not codable else (0 if way == "coded" else CODED_FROM)
        self._next_id = 0
        self._vectors = GrowingArray(dim, dtype=np.float32)
        self._ids = GrowingArray(dtype=np.int64)  # ascending
        self._groups = GrowingArray(dtype=np.int64)
        self._alive = GrowingArray(dtype=np.bool_)
        self._codes = _Codes(
            GrowingArray(dim, dtype=np.int8),
            GrowingArray(dtype=np.float32),
            GrowingArray(dtype=np.float32),
        )

    def __len__(self) -> int:
        return int(np.count_nonzero(self._alive.rows))

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """(len,) int64, the numbers of all vectors in the order in which they were added."""
        return np.asarray(self._ids.rows[self._alive.rows])

    @property
    def nbytes(self) -> int:
        """Bytes of memory that vectors, codes and numbers take."""
        own = (self._vectors, self._ids, self._groups, self._alive)
        return sum(array.nbytes for array in (*own, *self._codes))

    def add(
        self, vectors: npt.NDArray[np.float32], *, groups: npt.ArrayLike = 0
    ) -> npt.NDArray[np.int64]:
        """Add vectors.

        Args:
            vectors: (n, dim) float32, rows of length 1.
            groups: (n,) integers that a search can be limited to, or one for all.

        Returns:
            (n,) int64 their numbers, ascending; a number is never used again.

        Raises:
            InputError: If the vectors are not of this shape, type and length.
        """
        self._check("vectors", vectors)
        n = len(vectors)
        own_groups = np.asarray(groups)
        if own_groups.dtype.kind not in "iu" or own_groups.shape not in {(), (n,)}:
            raise InputError(
                f"groups must be one integer or {n} of them, got {own_groups.dtype} of shape "
                f"{own_groups.shape}"
            )
        ids = np.arange(self._next_id, self._next_id + n)
        self._next_id += n
        self._vectors.append(vectors)
        self._ids.append(ids)
        self._groups.append(np.broadcast_to(own_groups, n))
        self._alive.append(np.ones(n, np.bool_))
        self._encode()
        return ids

    def remove(self, ids: npt.ArrayLike) -> None:
        """Remove vectors and overwrite them in memory.

        Raises:
            InputError: If a number is not (or no longer) here; nothing is removed then.
        """
        wanted = np.unique(np.asarray(ids, np.int64))
        places = np.searchsorted(self._ids.rows, wanted)
        here = places < len(self._ids)
        here[here] = self._ids.rows[places[here]] == wanted[here]
        here[here] = self._alive.rows[places[here]]
        if not here.all():
            raise InputError(f"the index has no vector {wanted[~here][:10].tolist()} to remove")
        self._vectors.rows[places] = 0
        self._alive.rows[places] = False
        if len(self._codes.radii):
            self._codes.codes.rows[places] = 0
            self._codes.radii.rows[places] = np.nan
        if 2 * len(self) < len(self._alive):
            self._compact()

    def search(
        self,
        probes: npt.NDArray[np.float32],
        *,
        rank: int | None = None,
        threshold: float | None = None,
        mask: npt.NDArray[np.bool_] | None = None,
        groups: Collection[int] | None = None,
    ) -> list[SearchAnswer]:
        """Rank vectors by their similarity to each probe; exact.

        Args:
            probes: (p, dim) float32, rows of length 1.
            rank: How many are asked for; None for all who reach the threshold.
            threshold: Least similarity in an answer; None for any.
            mask: (len(self),) bool, which of `ids` may be found; None for all.
            groups: Only vectors of these groups may be found; None for all.

        Returns:
            One answer per probe; shorter than ``rank`` where fewer vectors qualify.

        Raises:
            InputError: If neither rank nor threshold is given, or an argument is malformed.
        """
        self._check("probes", probes)
        if rank is not None:
            check_positive_int("rank", rank)
        if threshold is not None:
            check_range("threshold", threshold)
        if rank is None and threshold is None:
            raise InputError("search needs rank=... (how many) or threshold=... (how alike)")
        kept = self._kept(mask, groups)
        n_kept = len(self) if kept is None else int(np.count_nonzero(kept))
        wanted = _Wanted(None if rank is None else min(rank, n_kept), threshold)
        if not n_kept:
            return [self._answer(row, np.zeros(0, np.int64), wanted, "exact") for row in probes]
        if self._can_scan(n_kept, wanted):
            return self._search_coded(probes, kept, wanted)
        return self._search_exact(probes, kept, wanted, "exact")

    def _check(self, name: str, vectors: npt.NDArray[np.float32]) -> None:
        check_array(name, vectors, dtype=np.float32, shape=("n", self.dim))
        check_unit_rows(name, vectors)

    def _kept(
        self, mask: npt.NDArray[np.bool_] | None, groups: Collection[int] | None
    ) -> npt.NDArray[np.bool_] | None:
        """All rows held -> whether they may be found; None for all that were not removed."""
        if mask is None and groups is None:
            return None
        kept = self._alive.rows.copy()
        if mask is not None:
            kept[kept] = check_array("mask", mask, dtype=np.bool_, shape=(len(self),))
        if groups is not None:
            kept &= np.isin(self._groups.rows, list(groups))
        return kept

    def _can_scan(self, n_kept: int, wanted: _Wanted) -> bool:
        n_coded = len(self._codes.radii)
        if not n_coded or (wanted.rank or 0) > MOST_CODED_RANK:
            return False
        return self._coded_from == 0 or n_kept * _FEW > n_coded

    def _search_coded(
        self, probes: npt.NDArray[np.float32], kept: npt.NDArray[np.bool_] | None, wanted: _Wanted
    ) -> list[SearchAnswer]:
        rows = coded.CodedRows(*(array.rows for array in self._codes))
        # Rows that were removed have no radius: a scan finds them in no case.
        threads = min(self.threads, 1 + rows.codes.size // _BYTES_PER_THREAD)
        answers = []
        for start in range(0, len(probes), _PROBES_AT_ONCE):
            part = probes[start : start + _PROBES_AT_ONCE]
            found = coded.candidates(
                rows,
                part,
                rank=wanted.rank,
                threshold=wanted.threshold,
                keep=kept,
                threads=threads,
            )
            for row, near in zip(part, found, strict=True):
                if near is None:
                    answers += self._search_exact(row[None], kept, wanted, "coded, then exact")
                else:
                    answers.append(self._answer(row, near, wanted, "coded"))
        return answers

    def _search_exact(
        self,
        probes: npt.NDArray[np.float32],
        kept: npt.NDArray[np.bool_] | None,
        wanted: _Wanted,
        way: Way,
    ) -> list[SearchAnswer]:
        kept = self._alive.rows if kept is None else kept
        n_kept = int(np.count_nonzero(kept))
        vectors, few, left_out = self._vectors.rows, None, None
        if n_kept * _FEW <= len(kept):
            few = np.flatnonzero(kept)
            vectors = vectors[few]
        elif n_kept < len(kept):
            left_out = ~kept
        near = partial(wanted.near, error=rounding_bound(self.dim))
        found = near_rows(probes, vectors, near=near, left_out=left_out)
        return [
            self._answer(row, rows if few is None else few[rows], wanted, way)
            for row, rows in zip(probes, found, strict=True)
        ]

    def _answer(
        self,
        row: npt.NDArray[np.float32],
        near: npt.NDArray[np.int64],
        wanted: _Wanted,
        way: Way,
    ) -> SearchAnswer:
        """Rank rows, given in ascending order, by their exact similarity."""
        similarities = exact_similarities(self._vectors.rows[near], row)
        order = np.argsort(-similarities, kind="stable")[: wanted.rank]
        if wanted.threshold is not None:
            order = order[similarities[order].astype(np.float64) >= wanted.threshold]
        return SearchAnswer(self._ids.rows[near[order]], similarities[order], way, len(near))

    def _encode(self) -> None:
        """Give codes to the rows that have none, once there are enough for codes to pay."""
        if self._coded_from is None or len(self._vectors) < max(1, self._coded_from):
            return
        n_coded = len(self._codes.radii)
        if not n_coded:
            coded.warm(self.dim)
        fresh = coded.encode(self._vectors.rows[n_coded:])
        self._codes.codes.append(fresh.codes)
        self._codes.scales.append(fresh.scales)
        self._codes.radii.append(fresh.radii)

    def _compact(self) -> None:
        alive = self._alive.rows.copy()
        for array in (self._vectors, self._ids, self._groups, self._alive):
            array.keep(alive)
        if len(self._codes.radii):
            for array in self._codes:
                array.keep(alive)
