"""Rows that lie in a file; searched like those in memory."""

import numpy as np
import numpy.typing as npt

from vultus.search import coded
from vultus.search.approximate import signs
from vultus.search.index_file import IndexFile
from vultus.search.rows import Ids, Vectors


class FileRows:
    """The rows of an `IndexFile`: none is added, and who leaves is dead in this process.

    Args:
        file: Its numbers ascend.

    Attributes:
        alive: (n,) bool.
        n_alive: How many of them are.
    """

    has_codes = True

    def __init__(self, file: IndexFile) -> None:
        self.file = file
        self.alive: npt.NDArray[np.bool_] = file.alive.copy()
        self.n_alive = int(np.count_nonzero(self.alive))
        self._n_left = 0
        self._signs: npt.NDArray[np.uint64] | None = None

    def __len__(self) -> int:
        return len(self.alive)

    def vectors(self, rows: Ids | None = None) -> Vectors:
        """All vectors; see `Rows`."""
        return self.file.read("vectors", rows)

    def ids(self, rows: Ids | None = None) -> Ids:
        """All numbers; see `Rows`."""
        return self.file.read("ids", rows)

    def groups(self) -> Ids:
        """All groups."""
        return self.file.read("groups")

    def codes(self) -> coded.CodedRows:
        """Codes of all rows."""
        return coded.CodedRows(*(self.file.read(name) for name in ("codes", "scales", "radii")))

    def signs(self) -> npt.NDArray[np.uint64]:
        """Signs of all rows, made of their codes when first asked for."""
        if self._signs is None:
            self._signs = signs(self.file.read("codes"))
        return self._signs

    def all_found(self) -> bool:
        """Whether nothing is dead that has a radius."""
        return self._n_left == 0

    def still_alive(self, rows: Ids) -> bool:
        """Whether none of these was erased since it was read."""
        if self.file.alive[rows].all():
            return True
        self.alive &= self.file.alive
        self.n_alive = int(np.count_nonzero(self.alive))
        return False

    def places(self, ids: Ids) -> Ids:
        """The living rows under these numbers; -1 where there is none."""
        places = self.stored(ids)
        here = places >= 0
        places[here] = np.where(self.alive[places[here]], places[here], -1)
        return places

    def stored(self, ids: Ids) -> Ids:
        """The rows under these numbers, dead or alive; -1 where there is none."""
        if not len(self):
            return np.full(len(ids), -1)
        own = self.ids()
        places = np.searchsorted(own, ids)
        places[own[np.minimum(places, len(own) - 1)] != ids] = -1
        return places

    def leave(self, rows: Ids) -> None:
        """Living rows are dead from now on, for this process: others are in their place."""
        self.alive[rows] = False
        self.n_alive -= len(rows)
        self._n_left += len(rows)

    def erase(self, rows: Ids) -> None:
        """Rows, dead or alive, are overwritten in the file.

        Raises:
            OutputError: If it may be written and the disk refuses. A file that may not be written
                is left to who may: its rows are dead for this process.
        """
        self.leave(rows[self.alive[rows]])
        if self.file.writable:
            self.file.erase(rows)
