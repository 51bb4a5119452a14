"""Millions of file names in two arrays, which worker processes share instead of copying."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt


class NameTable:
    """Strings in one buffer.

    A list of strings costs about 100 bytes each beside the text, and reading it in a forked worker
    copies its pages, because every look at a Python object writes its reference count.

    Args:
        names: The strings, in order.

    Example:
        >>> names = NameTable(["anna/1.jpg", "bo/1.jpg"])
        >>> names[1], len(names)
        ('bo/1.jpg', 2)
    """

    def __init__(self, names: Iterable[str]) -> None:
        # File names that are not UTF-8 come as lone surrogates; they must come back as they were.
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        self._text = np.frombuffer(b"".join(encoded), np.uint8)
        lengths = [len(name) for name in encoded]
        self._ends: npt.NDArray[np.int64] = np.cumsum(lengths, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self._ends):
            raise IndexError(f"name {index} of {len(self._ends)}")
        start = int(self._ends[index - 1]) if index else 0
        text = self._text[start : int(self._ends[index])].tobytes()
        return text.decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))
