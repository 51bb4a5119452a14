"""Rows that are searched together, in memory: vectors, their numbers and groups, and codes."""

from threading import Lock
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.search import coded
from vultus.search.approximate import signs
from vultus.search.growing import GrowingArray

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
GREATEST = int(np.iinfo(np.int64).max)
_ENCODED_LATER = 4096
"""Rows that may lack codes until the next search: one by one, encoding takes most of an `add`."""


class Rows(Protocol):
    """What a search needs of rows; some may be dead, and are never found.

    Attributes:
        n_alive: How many are not.
    """

    n_alive: int

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """(n,) bool, which rows may be found."""

    @property
    def has_codes(self) -> bool:
        """Whether `codes` gives any; asking costs nothing."""

    def __len__(self) -> int: ...

    def vectors(self, rows: Ids | None = None) -> Vectors:
        """(n, dim) all vectors, of which these (None: all) will be read."""

    def ids(self, rows: Ids | None = None) -> Ids:
        """(n,) all numbers, of which these (None: all) will be read."""

    def groups(self) -> Ids:
        """(n,) groups."""

    def codes(self) -> coded.CodedRows:
        """Codes of all rows; a row whose radius is NaN is never found."""

    def signs(self) -> npt.NDArray[np.uint64]:
        """Signs of all rows, as `vultus.search.approximate.signs` gives them."""

    def all_found(self) -> bool:
        """Whether nothing is dead that has a radius."""

    def still_alive(self, rows: Ids) -> bool:
        """False where one of these was erased by another process since it was read."""

    def places(self, ids: Ids) -> Ids:
        """The rows that are alive under these numbers; -1 where there is none."""


class _Codes(NamedTuple):
    """The arrays of `CodedRows`, growing."""

    codes: GrowingArray
    scales: GrowingArray
    radii: GrowingArray


class MemoryRows:
    """Rows that come and go.

    Args:
        dim: Length of a vector.
        coded_from: Rows from which on codes are kept; None for never.
    """

    def __init__(self, dim: int, *, coded_from: int | None) -> None:
        self.dim = dim
        self.n_alive = 0
        self._coded_from = coded_from
        self._lock = Lock()
        self._vectors = GrowingArray(dim, dtype=np.float32)
        self._ids = GrowingArray(dtype=np.int64)
        self._groups = GrowingArray(dtype=np.int64)
        self._alive = GrowingArray(dtype=np.bool_)
        self._codes = _Codes(
            GrowingArray(dim, dtype=np.int8),
            GrowingArray(dtype=np.float32),
            GrowingArray(dtype=np.float32),
        )
        self._signs = GrowingArray(-(-dim // 64), dtype=np.uint64)  # empty until asked for
        # Numbers of the first rows ascend, and are looked up by bisection; others by dictionary.
        self._n_ascending = 0
        self._later: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._alive)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows, the dead ones included."""
        own = (self._vectors, self._ids, self._groups, self._alive, self._signs)
        return sum(array.nbytes for array in (*own, *self._codes))

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """(n,) bool."""
        return self._alive.rows

    def vectors(self, rows: Ids | None = None) -> Vectors:
        """All vectors; see `Rows`."""
        return self._vectors.rows

    def ids(self, rows: Ids | None = None) -> Ids:
        """All numbers; see `Rows`."""
        return self._ids.rows

    def groups(self) -> Ids:
        """All groups."""
        return self._groups.rows

    @property
    def has_codes(self) -> bool:
        """Whether there are codes."""
        return len(self._codes.radii) > 0

    def codes(self) -> coded.CodedRows:
        """Codes of all rows."""
        self._encode()
        return coded.CodedRows(*(array.rows for array in self._codes))

    def signs(self) -> npt.NDArray[np.uint64]:
        """Signs of all rows."""
        with self._lock:
            self._signs.append(signs(self._vectors.rows[len(self._signs) :]))
        return self._signs.rows

    def all_found(self) -> bool:
        """Whether nothing is dead that has a radius."""
        return True  # a row that is removed loses its radius

    def still_alive(self, rows: Ids) -> bool:
        """Whether none of these was erased since it was read."""
        return True  # nobody else has them

    def places(self, ids: Ids) -> Ids:
        """The living rows under these numbers; -1 where there is none."""
        first = self._ids.rows[: self._n_ascending]
        places = np.searchsorted(first, ids)
        if len(first):
            places[first[np.minimum(places, len(first) - 1)] != ids] = -1
        else:
            places[:] = -1
        if self._later:
            for i, number in enumerate(ids.tolist()):
                places[i] = self._later.get(number, places[i])
        here = places >= 0
        places[here] = np.where(self._alive.rows[places[here]], places[here], -1)
        return places

    def append(self, vectors: Vectors, ids: Ids, groups: npt.NDArray[np.integer]) -> None:
        """Add rows under numbers that no living row has."""
        start = len(self)
        last = int(self._ids.rows[start - 1]) if start else None
        ascending = len(ids) < 2 or bool((ids[1:] > ids[:-1]).all())
        if not ascending:
            order = np.argsort(ids)
            vectors, ids, groups = vectors[order], ids[order], groups[order]
        self._vectors.append(vectors)
        self._ids.append(ids)
        self._groups.append(groups)
        self._alive.append(np.ones(len(ids), np.bool_))
        self.n_alive += len(ids)
        if self._n_ascending == start and (last is None or not len(ids) or ids[0] > last):
            self._n_ascending = len(self)
        else:
            self._later.update(zip(ids.tolist(), range(start, len(self)), strict=True))
        self._keep_codes()

    def append_one(self, vector: Vectors, number: int, group: int) -> None:
        """Add one row under a number that no living row has."""
        start = len(self)
        ascends = self._n_ascending == start and (not start or self._ids.rows[-1] < number)
        self._vectors.append_one(vector)
        self._ids.append_one(number)
        self._groups.append_one(group)
        self._alive.append_one(True)
        self.n_alive += 1
        if ascends:
            self._n_ascending = start + 1
        else:
            self._later[number] = start
        self._keep_codes()

    def _keep_codes(self) -> None:
        if self._coded_from is None or len(self) < max(1, self._coded_from):
            return
        if not self.has_codes:
            coded.warm(self.dim)
        if not self.has_codes or len(self) - len(self._codes.radii) > _ENCODED_LATER:
            self._encode()

    def overwrite(self, rows: Ids, vectors: Vectors) -> None:
        """Put other vectors in place of those of living rows."""
        self._vectors.rows[rows] = vectors
        signed = rows < len(self._signs)
        self._signs.rows[rows[signed]] = signs(vectors[signed])
        coded_rows = rows < len(self._codes.radii)
        if coded_rows.any():
            fresh = coded.encode(vectors[coded_rows])
            at = rows[coded_rows]
            self._codes.codes.rows[at] = fresh.codes
            self._codes.scales.rows[at] = fresh.scales
            self._codes.radii.rows[at] = fresh.radii

    def set_groups(self, rows: Ids, groups: npt.NDArray[np.integer]) -> None:
        """Put other groups in place of those of living rows."""
        self._groups.rows[rows] = groups

    def remove(self, rows: Ids) -> None:
        """Remove living rows, and overwrite them."""
        self._vectors.rows[rows] = 0
        self._signs.rows[rows[rows < len(self._signs)]] = 0
        self._alive.rows[rows] = False
        self.n_alive -= len(rows)
        coded_rows = rows[rows < len(self._codes.radii)]
        self._codes.codes.rows[coded_rows] = 0
        self._codes.radii.rows[coded_rows] = np.nan
        if 2 * self.n_alive < len(self):
            self._compact()

    def _encode(self) -> None:
        """Give codes to the rows that have none."""
        with self._lock:  # several threads search at once
            n_coded = len(self._codes.radii)
            if n_coded < len(self):
                fresh = coded.encode(self._vectors.rows[n_coded:])
                self._codes.codes.append(fresh.codes)
                self._codes.scales.append(fresh.scales)
                self._codes.radii.append(fresh.radii)

    def _compact(self) -> None:
        if self.has_codes:
            self._encode()
        kept = np.flatnonzero(self._alive.rows)
        kept = kept[np.argsort(self._ids.rows[kept], kind="stable")]
        if len(self._signs):
            self.signs()
            self._signs.keep(kept)
        for array in (self._vectors, self._ids, self._groups, self._alive):
            array.keep(kept)
        if self.has_codes:
            for array in self._codes:
                array.keep(kept)
        self._n_ascending, self._later = len(self), {}


def whole_numbers(name: str, values: npt.ArrayLike, n: int, *, one_for_all: bool = False) -> Ids:
    """``n`` integers as int64.

    Raises:
        InputError: If they are not so many, no integers, or too large.
    """
    if one_for_all and type(values) is int and 0 <= values <= GREATEST:
        return np.full(n, values)
    array = np.asarray(values)
    shapes = {(), (n,)} if one_for_all else {(n,)}
    if (array.size and array.dtype.kind not in "iu") or array.shape not in shapes:
        wanted = f"one integer or {n} of them" if one_for_all else f"{n} integers"
        raise InputError(f"{name} must be {wanted}, got {array.dtype} of shape {array.shape}")
    if array.dtype.kind == "u" and array.size and int(array.max()) > GREATEST:
        raise InputError(f"{name} must fit into int64, got {int(array.max())}")
    if array.shape != (n,):
        return np.full(n, array, np.int64)
    return array.astype(np.int64, copy=False)


def distinct_numbers(name: str, values: npt.ArrayLike) -> Ids:
    """Any number of integers as int64, ascending, each once.

    Raises:
        InputError: As `whole_numbers`.
    """
    array = np.asarray(values)
    return np.unique(whole_numbers(name, array, array.size))
