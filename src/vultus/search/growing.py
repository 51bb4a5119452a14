"""An array that grows at its end without being copied each time."""

from typing import Any

import numpy as np
import numpy.typing as npt


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
        """Bytes held, the room to grow included."""
        return self._memory.nbytes

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add rows at the end; a constant time per row over many calls."""
        size = self._size + len(rows)
        if size > len(self._memory):
            room = size if not self._size else max(size, self._size * 3 // 2)
            memory = np.empty((room, *self._memory.shape[1:]), self._memory.dtype)
            memory[: self._size] = self.rows
            self._memory.fill(0)  # what was erased later must not live on in freed memory
            self._memory = memory
        self._memory[self._size : size] = rows
        self._size = size

    def keep(self, mask: npt.NDArray[np.bool_]) -> None:
        """Let go of all rows that are not in the mask."""
        kept = self.rows[mask]
        self._memory.fill(0)
        self._memory, self._size = kept, len(kept)
