"""Arrays in ``.npz`` files from outside: no pickled objects, one error for all that is wrong."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.mapped_file import MappedFile
from vultus.core.zip_file import ZipMember, member_chunks, zip_members

_SMALL_BYTES = 1 << 26
_LARGEST_RATIO = 100
"""Numbers and names never pack that well; what does is made to fill the memory."""


def read_npz(path: Path, names: Iterable[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read arrays that `numpy.savez` wrote.

    Args:
        path: The file.
        names: Which of its arrays; None takes all.

    Returns:
        By name.

    Raises:
        InputError: If there is no such file, it is no zip of arrays, is damaged, holds Python
            objects or an array that unpacks to more than 100 times its size in the file, or lacks
            one of the names.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    members = {member.name.removesuffix(".npy"): member for member in zip_members(path)[0]}
    wanted = list(members if names is None else names)
    missing = [name for name in wanted if name not in members]
    if missing:
        raise InputError(f"{path} must hold an array {missing[0]!r}, it holds {sorted(members)}")
    file = MappedFile(path)
    return {name: _array(file, members[name]) for name in wanted}


def _array(file: MappedFile, member: ZipMember) -> npt.NDArray[Any]:
    limit = max(_SMALL_BYTES, _LARGEST_RATIO * member.packed_size)
    stream = _Chunks(member_chunks(file, member, max_bytes=limit))
    try:
        array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        rest = stream.read(1)  # only the end says whether all of it was right
    except InputError:
        raise
    except (ValueError, EOFError, TypeError, OverflowError, MemoryError) as error:
        raise InputError(f"{file.path}/{member.name} is no array: {error}") from error
    if rest:
        raise InputError(f"{file.path}/{member.name} holds more than an array")
    return array


class _Chunks:
    """Bytes that come piece by piece, as much of a stream as NumPy needs."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int = 1, /) -> bytes:
        """Some bytes, at most ``size``; none in the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = memoryview(chunk)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)
