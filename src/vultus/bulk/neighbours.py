"""Which of very many faces hang together at a threshold: every pair compared, block by block."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus import __version__
from vultus.bulk.forest import Edges, spanning_forest
from vultus.bulk.workers import Outcome, Task, Workers, check_version
from vultus.core.errors import InputError, ProviderError
from vultus.core.files import writing
from vultus.core.npz_file import read_npz
from vultus.core.progress import Progress
from vultus.search.near import rounding_bound
from vultus.search.tiles import TILE, similarity_tiles

BLOCK = 8192
"""Rows of a block: a task compares two blocks."""
_KEPT_EVERY, _KEPT_TIMES = 64, 32
"""A state goes to the disk after so many tasks, or so many times in all where that is rarer: it
costs more with every face, and what a kill loses is a thirtieth at most."""


@dataclass(frozen=True, slots=True)
class VectorFile:
    """Unit vectors in a ``.npy`` that every worker can map.

    Attributes:
        path: Its path.
        n: Rows.
        dim: Columns.
    """

    path: Path
    n: int
    dim: int

    @classmethod
    def write(cls, path: Path, vectors: npt.NDArray[np.float32]) -> "VectorFile":
        """Write them, for their owner only; under a new name, as workers keep files mapped."""
        with writing(path, private=True) as stream:
            np.save(stream, vectors, allow_pickle=False)
        return cls(path, *vectors.shape)

    def rows(self, index: slice | npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Some rows, in memory.

        Raises:
            InputError: If the file is not what it was.
        """
        mapped = _mapped(str(self.path))
        if mapped.shape != (self.n, self.dim) or mapped.dtype != np.float32:
            raise InputError(f"{self.path} must hold ({self.n}, {self.dim}) float32")
        return np.array(mapped[index])


def neighbour_forest(
    vectors: VectorFile,
    least: float,
    *,
    workers: Workers,
    state: Path,
    progress: Progress | None = None,
) -> Edges:
    """The maximum spanning forest of all pairs that are at least so alike.

    Time grows with n^2; memory with n here, and with `BLOCK` in the workers. Killed, it goes on.

    Args:
        vectors: The faces.
        least: Cosine similarity; pairs below by float32's rounding may be among them.
        workers: Who compares.
        state: File that keeps how far it has come; of the same vectors and ``least``.
        progress: Told how many of the block pairs are done.

    Raises:
        InputError: If the state is of something else.
        ProviderError: If processes die again and again.
    """
    return _Scan(vectors, least, state, progress).finish(workers)


class _Scan:
    """The block pairs that were compared, and the forest of what they gave."""

    def __init__(
        self, vectors: VectorFile, least: float, state: Path, progress: Progress | None
    ) -> None:
        self.vectors = vectors
        self.least = least
        self.state = state
        self.progress = progress
        n_blocks = -(-vectors.n // BLOCK)
        self.pairs = [(i, j) for i in range(n_blocks) for j in range(i, n_blocks)]
        self.done = np.zeros(len(self.pairs), np.bool_)
        self.forest = Edges.none()
        self.fresh = Edges.none()
        self.unsaved = 0
        self.keep_after = max(_KEPT_EVERY, len(self.pairs) // _KEPT_TIMES)
        if state.exists():
            self._load()

    def finish(self, workers: Workers) -> Edges:
        self._tell()
        workers.run(self._tasks(), _block_forest, after=self._after)
        self._save()
        return self.forest

    def _tasks(self) -> Iterator[Task]:
        for number in np.flatnonzero(~self.done).tolist():
            yield number, (self.vectors, self.least, self.pairs[number], __version__)

    def _after(self, outcome: Outcome) -> Sequence[Task]:
        if outcome.killed:
            raise ProviderError(
                "every process that compared two blocks of faces was killed: too little memory, "
                "perhaps; start fewer processes, and run it again: it goes on where it was"
            )
        self.fresh = self.fresh.joined(outcome.value)
        self.done[outcome.key] = True
        self.unsaved += 1
        if len(self.fresh) > self.vectors.n:  # else the pile would outgrow the forest
            self._merge()
        if self.unsaved >= self.keep_after:
            self._save()
        self._tell()
        return ()

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress("comparing", int(self.done.sum()), len(self.pairs))

    def _save(self) -> None:
        self._merge()
        about = np.array([self.vectors.n, self.vectors.dim, BLOCK], np.int64)
        with writing(self.state, private=True) as stream:
            np.savez(stream, about=about, least=np.float64(self.least), done=self.done,
                     a=self.forest.a, b=self.forest.b, weights=self.forest.weights)  # fmt: skip
        self.unsaved = 0

    def _merge(self) -> None:
        self.forest = spanning_forest(self.forest.joined(self.fresh))
        self.fresh = Edges.none()

    def _load(self) -> None:
        kept = read_npz(self.state, ("about", "least", "done", "a", "b", "weights"))
        about = [self.vectors.n, self.vectors.dim, BLOCK]
        if kept["about"].tolist() != about or float(kept["least"]) != self.least:
            raise InputError(f"{self.state} is of other faces or another threshold; remove it")
        self.done = kept["done"]
        self.forest = Edges(kept["a"], kept["b"], kept["weights"])


def _block_forest(vectors: VectorFile, least: float, pair: tuple[int, int], version: str) -> Edges:
    """In a worker: the forest of the pairs between two blocks."""
    check_version(version)
    top, left = (number * BLOCK for number in pair)
    rows, columns = vectors.rows(slice(top, top + BLOCK)), vectors.rows(slice(left, left + BLOCK))
    cut = np.float32(least - rounding_bound(vectors.dim))
    found, fresh = Edges.none(), Edges.none()
    for tile in similarity_tiles(rows, columns, n_rows=TILE, n_columns=TILE):
        # Hardly a row has a pair: to look for the largest of each costs a tenth of looking at all.
        near = np.flatnonzero(tile.similarities.max(axis=1) >= cut)
        if not len(near):
            continue
        a, b = np.nonzero(tile.similarities[near] >= cut)
        a = near[a]
        weights = tile.similarities[a, b]
        edges = Edges(a + (top + tile.rows.start), b + (left + tile.columns.start), weights)
        fresh = fresh.joined(edges.chosen(edges.a < edges.b))
        if len(fresh) > BLOCK:  # else the pile would outgrow the forest
            found, fresh = spanning_forest(found.joined(fresh)), Edges.none()
    return spanning_forest(found.joined(fresh))


@lru_cache(maxsize=1)
def _mapped(path: str) -> npt.NDArray[np.float32]:
    try:
        mapped: npt.NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} must be a .npy that every worker can read: {error}") from error
    return mapped
