"""Many vectors that change, searched exactly in the way that is fastest at their number."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int, check_range, check_unit_rows
from vultus.core.errors import InputError, MissingDependencyError
from vultus.core.text import install_hint
from vultus.search import coded
from vultus.search.file_rows import FileRows
from vultus.search.index_file import IndexFile, Stamp
from vultus.search.index_writer import living_rows, write_index
from vultus.search.near import PROBES_AT_ONCE, Wanted
from vultus.search.rows import (
    GREATEST,
    Ids,
    MemoryRows,
    Rows,
    Vectors,
    distinct_numbers,
    whole_numbers,
)
from vultus.search.turns import Turns
from vultus.search.ways import FEW, MOST_CODED_RANK, By, Kept, kept_in, merged, search_rows
from vultus.search.ways import SearchAnswer as SearchAnswer

CODED_FROM = 20_000
"""Rows from which on codes are kept: 10,000 are searched exactly in half a millisecond."""
_COMPILED_AFTER = 1 << 34
"""Multiplications of searches in a file after which the scan of its codes is compiled: by then they
took about as long as compiling does. A program that looks up one photo ends before."""
_TOLERANCE = 1e-3


class VectorIndex:
    """Unit vectors under numbers: added, replaced, removed, searched.

    Every way gives the same answer, to the last bit and the last tie: the one of comparing all rows
    in float64. Threads may share it: they search at once, and who changes something is alone.

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
        self._codable = way != "exact" and coded.probe_levels(dim) > 1 and coded.can_scan()
        self._always_coded = way == "coded"
        if self._always_coded and not self._codable:
            raise MissingDependencyError(
                f"way='coded' at {dim} dimensions needs numba; {install_hint('search')}"
            )
        # Codes are kept from so many rows on; None: never.
        coded_from = None if not self._codable else (0 if self._always_coded else CODED_FROM)
        self._next_id = 0
        self._compared = 0
        self._memory = MemoryRows(dim, coded_from=coded_from)
        self._file: FileRows | None = None
        self._turns = Turns()

    @classmethod
    def open(
        cls,
        file: IndexFile,
        *,
        way: Literal["auto", "exact", "coded"] = "auto",
        threads: int = 1,
    ) -> "VectorIndex":
        """An index of what is in a file, which is read where it is needed only.

        What is added later lies in memory; `save` writes all into a new file. What is removed is
        overwritten in the file, unless that may not be written. Codes are used once `warm` was
        called, or once so much was compared that compiling their scan would have paid.

        Args:
            file: It must stay open as long as the index is used. What of it turns out to be
                damaged raises IndexFileError where it is first read.
            way: As in the constructor.
            threads: Likewise.

        Raises:
            MissingDependencyError: If ``way="coded"`` and numba is not installed.
        """
        index = cls(file.dim, way=way, threads=threads)
        index._file = FileRows(file)
        index._next_id = file.next_id
        return index

    def save(self, path: Path, stamp: Stamp) -> None:
        """Write vectors and codes into a file for its owner only.

        Args:
            path: The file; one that is there is replaced when this one is whole.
            stamp: Whose they are, and for which state they stand.

        Raises:
            OutputError: If it cannot be written; a file that was there is untouched then.
        """
        with self._turns.reading():
            write_index(
                path,
                living_rows(self._parts, self.dim),
                n=len(self),
                dim=self.dim,
                stamp=stamp,
                next_id=self._next_id,
            )

    def warm(self) -> None:
        """Compile the scan of codes (a second or two), if this index has codes and may use them."""
        if self._codable and any(part.has_codes for part in self._parts):
            coded.warm(self.dim)

    def __len__(self) -> int:
        return sum(part.n_alive for part in self._parts)

    @property
    def _parts(self) -> list[Rows]:
        return [self._memory] if self._file is None else [self._file, self._memory]

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """(len,) int64, the numbers of all vectors in the order that a ``mask`` follows.

        Without numbers of one's own that is the order in which they were added.
        """
        with self._turns.reading():
            return np.concatenate([part.ids()[part.alive] for part in self._parts])

    @property
    def nbytes(self) -> int:
        """Bytes of memory that vectors, codes and numbers take, without what a file maps."""
        return self._memory.nbytes

    def add(
        self,
        vectors: npt.NDArray[np.float32],
        *,
        ids: npt.ArrayLike | None = None,
        groups: npt.ArrayLike = 0,
    ) -> npt.NDArray[np.int64]:
        """Add vectors.

        Args:
            vectors: (n, dim) float32, rows of length 1.
            ids: (n,) integers to know them by, in any order and of any size that int64 holds, each
                once. None counts on from the greatest number that was ever here.
            groups: (n,) integers that a search can be limited to, or one for all.

        Returns:
            (n,) int64 their numbers. What was given by counting is never given again.

        Raises:
            InputError: If the vectors are not of this shape, type and length, or a number is taken.
                Nothing is added then.
        """
        self._check("vectors", vectors)
        own_groups = whole_numbers("groups", groups, len(vectors), one_for_all=True)
        with self._turns.writing():
            numbers = self._numbers(ids, len(vectors))
            if len(numbers) == 1:
                last = int(numbers[0])
                self._memory.append_one(vectors[0], last, int(own_groups[0]))
            else:
                last = int(numbers.max(initial=-1))
                self._memory.append(vectors, numbers, own_groups)
            self._next_id = max(self._next_id, last + 1)
        return numbers

    def update(
        self,
        ids: npt.ArrayLike,
        vectors: npt.NDArray[np.float32],
        *,
        groups: npt.ArrayLike | None = None,
    ) -> None:
        """Put other vectors under numbers that are here.

        The old ones are overwritten in memory; in a file they stay until they are removed, or
        `save` replaces it.

        Args:
            ids: (n,) integers, each once.
            vectors: (n, dim) float32, rows of length 1.
            groups: (n,) integers, or one for all; None leaves the groups as they are.

        Raises:
            InputError: If a number is not here, or an argument is malformed. Nothing is changed
                then.
        """
        self._check("vectors", vectors)
        wanted = whole_numbers("ids", ids, len(vectors))
        if len(np.unique(wanted)) < len(wanted):
            raise InputError("ids must name each vector once")
        own_groups = None
        if groups is not None:
            own_groups = whole_numbers("groups", groups, len(vectors), one_for_all=True)
        with self._turns.writing():
            self._check_here(wanted, "replace")
            self._replace(wanted, vectors, own_groups)

    def remove(self, ids: npt.ArrayLike) -> None:
        """Remove vectors, and overwrite them in memory and in the file.

        Raises:
            InputError: If a number is not (or no longer) here; nothing is removed then.
            OutputError: If the file was opened for writing and the disk refuses.
        """
        wanted = distinct_numbers("ids", ids)
        with self._turns.writing():
            self._check_here(wanted, "remove")
            self._discard(wanted)

    def discard(self, ids: npt.ArrayLike) -> None:
        """`remove`, in which numbers that are not here do not matter.

        Also what stands in the file under a number that is replaced or gone is overwritten there.
        """
        with self._turns.writing():
            self._discard(distinct_numbers("ids", ids))

    def has(self, ids: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(n,) bool, which of (n,) numbers are here."""
        given = np.asarray(ids)
        with self._turns.reading():
            return self._are_here(whole_numbers("ids", given, given.size))

    def vectors(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(n, dim) float32, the vectors under (n,) numbers.

        Raises:
            InputError: If a number is not here.
        """
        given = np.asarray(ids)
        wanted = whole_numbers("ids", given, given.size)
        found = np.empty((len(wanted), self.dim), np.float32)
        with self._turns.reading():
            self._check_here(wanted, "give")
            for part in self._parts:
                rows = part.places(wanted)
                own = rows[rows >= 0]
                found[rows >= 0] = part.vectors(own)[own]
        return found

    def search(
        self,
        probes: npt.NDArray[np.float32],
        *,
        rank: int | None = None,
        threshold: float | None = None,
        mask: npt.NDArray[np.bool_] | None = None,
        groups: Collection[int] | None = None,
        among: npt.ArrayLike | None = None,
        approximate: int | None = None,
    ) -> list[SearchAnswer]:
        """Rank vectors by their similarity to each probe; exact, unless ``approximate`` is given.

        Args:
            probes: (p, dim) float32, rows of length 1.
            rank: How many are asked for; None for all who reach the threshold.
            threshold: Least similarity in an answer; None for any.
            mask: (len(self),) bool, which of `ids` may be found; None for all.
            groups: Only vectors of these groups may be found; None for all.
            among: Only vectors of these numbers may be found; None for all. Numbers that are not
                here do not matter.
            approximate: Compare only so many vectors of those that may be found, whose signs agree
                best with the probe's: quicker, and somebody may be missed. How often on one's own
                vectors, `vultus.search.approximation_cost` measures.

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
        if approximate is not None:
            check_positive_int("approximate", approximate)
        if rank is None and threshold is None:
            raise InputError("search needs rank=... (how many) or threshold=... (how alike)")
        named = None if among is None else distinct_numbers("among", among)
        with self._turns.reading():
            kept = kept_in(self._parts, mask=mask, groups=groups, among=named)
            answers = []
            for start in range(0, len(probes), PROBES_AT_ONCE):
                some = probes[start : start + PROBES_AT_ONCE]
                answers += self._answers(some, Wanted(rank, threshold), kept, approximate)
        return answers

    def _answers(
        self, probes: Vectors, wanted: Wanted, kept: list[Kept], approximate: int | None
    ) -> list[SearchAnswer]:
        founds = []
        for part, own in zip(self._parts, kept, strict=True):
            by: By = "vectors" if approximate is None else approximate
            if approximate is None and self._by_codes(part, own, wanted, len(probes)):
                by = "codes"
            founds.append(search_rows(part, probes, wanted, own, by=by, threads=self.threads))
        sizes = [len(part) for part in self._parts]
        return merged(founds, sizes, n_probes=len(probes), rank=wanted.rank)

    def _by_codes(self, part: Rows, kept: Kept, wanted: Wanted, n_probes: int) -> bool:
        if not (self._codable and part.has_codes) or (wanted.rank or 0) > MOST_CODED_RANK:
            return False
        if self._always_coded:
            return True
        if kept.n * FEW <= len(part):
            return False
        if not coded.is_warm(self.dim):
            self._compared += kept.n * self.dim * n_probes
            if self._compared <= _COMPILED_AFTER:
                return False
            coded.warm(self.dim)
        return True

    def _check(self, name: str, vectors: Vectors) -> None:
        check_array(name, vectors, dtype=np.float32, shape=("n", self.dim), finite=False)
        lengths = np.sqrt(np.vecdot(vectors, vectors))
        # Of one, the rest is quicker without arrays.
        off = abs(lengths[0] - 1) if len(lengths) == 1 else np.abs(lengths - 1).max(initial=0)
        if not off <= _TOLERANCE:  # nor is NaN
            check_array(name, vectors, dtype=np.float32, shape=("n", self.dim))
            check_unit_rows(name, vectors)

    def _numbers(self, ids: npt.ArrayLike | None, n: int) -> Ids:
        """The numbers of what is added."""
        if ids is None:
            if self._next_id + n > GREATEST:
                raise InputError(f"no number is left above {self._next_id - 1}; give ids=...")
            return np.arange(self._next_id, self._next_id + n)
        numbers = whole_numbers("ids", ids, n)
        if n > 1 and not (numbers[1:] > numbers[:-1]).all() and len(np.unique(numbers)) < n:
            raise InputError("ids must name each vector once")
        if n and int(numbers.min()) < self._next_id:
            taken = numbers[self._are_here(numbers)]
            if len(taken):
                raise InputError(
                    f"the index has vectors {taken[:10].tolist()} already; update them"
                )
        return numbers

    def _replace(self, ids: Ids, vectors: Vectors, groups: Ids | None) -> None:
        rows = self._memory.places(ids)
        here = rows >= 0
        self._memory.overwrite(rows[here], vectors[here])
        if groups is not None:
            self._memory.set_groups(rows[here], groups[here])
        if self._file is not None and not here.all():
            rows = self._file.places(ids[~here])
            kept = self._file.groups()[rows] if groups is None else groups[~here]
            self._file.leave(rows)
            self._memory.append(vectors[~here], ids[~here], kept)

    def _discard(self, ids: Ids) -> None:
        rows = self._memory.places(ids)
        self._memory.remove(rows[rows >= 0])
        if self._file is not None:
            rows = self._file.stored(ids)
            self._file.erase(rows[rows >= 0])

    def _are_here(self, ids: Ids) -> npt.NDArray[np.bool_]:
        here = np.zeros(len(ids), np.bool_)
        for part in self._parts:
            here |= part.places(ids) >= 0
        return here

    def _check_here(self, ids: Ids, verb: str) -> None:
        missing = ids[~self._are_here(ids)]
        if len(missing):
            raise InputError(f"the index has no vector {missing[:10].tolist()} to {verb}")
