"""An array that grows at its end without being copied each time."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

_MOVED_FROM = 1 << 26
"""Bytes from which on the allocator of Linux moves a block by its page table: nothing is copied."""


class GrowingArray:
    """Rows in one block of memory, with up to a half more than is used.

    Args:
        *row: Shape of one row; none for numbers.
        dtype: Their type.
    """

    def __init__(self, *row: int, dtype: npt.DTypeLike) -> None:
        self._memory = np.empty((0, *row), dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def rows(self) -> npt.NDArray[Any]:
        """All rows; a view that may be written to, and that holds until rows come or go."""
        return self._memory[: self._size]

    @property
    def nbytes(self) -> int:
        """Bytes of the rows."""
        return self.rows.nbytes

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add rows at the end; a constant time per row over many calls."""
        size = self._size + len(rows)
        if size > len(self._memory) and not self._moved(size):
            # Room that is not written to takes no memory of the machine yet.
            room = size + size // 8 if not self._size else max(size, self._size * 3 // 2)
            memory = np.empty((room, *self._memory.shape[1:]), self._memory.dtype)
            memory[: self._size] = self.rows
            self._memory.fill(0)  # what was erased later must not live on in freed memory
            self._memory = memory
        self._memory[self._size : size] = rows
        self._size = size

    def append_one(self, row: Any) -> None:
        """Add one row at the end."""
        if self._size == len(self._memory):
            self.append(np.asarray(row, self._memory.dtype)[None])
        else:
            self._memory[self._size] = row
            self._size += 1

    def _moved(self, size: int) -> bool:
        """Make room without a copy where that is possible: a million rows take as long as one."""
        if sys.platform != "linux" or self._memory.nbytes < _MOVED_FROM:
            return False
        room = max(size, self._size + self._size // 16)
        try:
            self._memory.resize((room, *self._memory.shape[1:]))
        except ValueError:  # somebody holds a view of it
            return False
        return True

    def keep(self, rows: npt.NDArray[np.int64]) -> None:
        """Let go of all rows but these, which then stand in this order."""
        kept = self.rows[rows]
        self._memory.fill(0)
        self._memory, self._size = kept, len(kept)
