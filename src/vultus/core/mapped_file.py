"""A file that is read at any place, by several processes at once."""

import mmap
from pathlib import Path
from typing import Any

from vultus.core.errors import InputError


class MappedFile:
    """Read access to a file, mapped into memory on first use in each process.

    There is no file position, so workers that were forked cannot disturb each other. It pickles as
    its path.

    Args:
        path: The file.

    Raises:
        InputError: On first use, if it cannot be opened or is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map: mmap.mmap | None = None

    def __len__(self) -> int:
        return len(self._opened())

    def read(self, start: int, length: int) -> bytes:
        """Bytes ``start`` to ``start + length``; fewer where the file ends before."""
        return self._opened()[start : start + length]

    def find(self, pattern: bytes, start: int) -> int:
        """Where ``pattern`` comes next from ``start`` on; -1 if it does not."""
        return self._opened().find(pattern, start)

    def _opened(self) -> mmap.mmap:
        if self._map is None:
            try:
                with open(self.path, "rb") as stream:
                    self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise InputError(f"{self.path} is empty") from error
            except OSError as error:
                raise InputError(f"{self.path} cannot be opened: {error.strerror}") from error
        return self._map

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_map": None}
