"""Pair sets: the ``*.bin`` verification sets of the ArcFace data packs.

Such a file is a pickle of (encoded images, same-person flags). A pickle may call anything that it
names; here nothing is ever looked up: the few names that these files use stand for small classes
below, and every other name is refused.
"""

import pickle
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.files import writing

_MAX_BYTES = 1 << 31
"""A hundred times the largest published set."""

_PROTOCOL = 4
"""Bytes are stored as bytes from 3 on, and large ones from 4 on; Python 3.4 reads it."""

_BROKEN = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What unpickling raises for bytes that are no pickle, or one cut short."""


def read_pair_set(path: str | Path) -> tuple[list[bytes], npt.NDArray[np.bool_]]:
    """Read encoded images and flags.

    Args:
        path: The file, e.g. ``cfp_fp.bin``.

    Returns:
        2 n encoded images, those of pair i at 2 i and 2 i + 1; (n,) bool, same person.

    Raises:
        InputError: If it is no such file, names anything but lists, bytes and flags, or has more
            than 2 GiB.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            if path.stat().st_size > _MAX_BYTES:
                raise InputError(f"more than {_MAX_BYTES:,} bytes are no verification set")
            content = _Reader(stream).load()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except _BROKEN as error:
        raise InputError(f"{path} is no verification set (*.bin): {error}") from error
    if not isinstance(content, (tuple, list)) or len(content) != 2:
        raise InputError(f"{path} must hold two lists, images and flags, got something else")
    images = [_bytes(image, path) for image in _sequence(content[0], path)]
    flags = np.array([_flag(flag, path) for flag in _sequence(content[1], path)], np.bool_)
    if len(images) != 2 * len(flags) or not len(flags):
        raise InputError(
            f"{path} must hold two images a flag, got {len(images)} images, {len(flags)} flags"
        )
    return images, flags


def distinct_images(images: Sequence[bytes]) -> tuple[list[int], list[int]]:
    """Which images of a pair set differ: one that takes part in several pairs is stored each time.

    Args:
        images: m encoded images.

    Returns:
        Where each different image comes first, ascending; and m numbers of different images, from
        0 in that order.
    """
    numbers: dict[bytes, int] = {}
    firsts: list[int] = []
    places: list[int] = []
    for place, image in enumerate(images):
        if image not in numbers:
            numbers[image] = len(firsts)
            firsts.append(place)
        places.append(numbers[image])
    return firsts, places


def write_pair_set(
    path: Path, images: Sequence[bytes], *, flags: Sequence[bool] | npt.NDArray[np.bool_]
) -> None:
    """Write encoded images and flags, as the ArcFace code bases read them.

    Args:
        path: The file, e.g. ``own.bin``; an existing file is replaced once the new one is whole.
        images: 2 n encoded images, those of pair i at 2 i and 2 i + 1.
        flags: n, whether the pair shows one person.

    Raises:
        InputError: If there are not two images a flag, or none, or the file cannot be written.
    """
    if len(images) != 2 * len(flags) or not len(flags):
        raise InputError(
            f"a pair set must have two images a flag, got {len(images)} images, {len(flags)} flags"
        )
    # Plain bytes and bools: NumPy objects would tie the file to NumPy's own names.
    content = ([bytes(image) for image in images], [bool(flag) for flag in flags])
    with writing(path) as stream:
        pickle.dump(content, stream, protocol=_PROTOCOL)


class _Dtype:
    """Stands for numpy.dtype: remembers its code, e.g. ``b1`` or ``u1``."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = code.decode() if isinstance(code, bytes) else str(code)

    def __setstate__(self, state: Any) -> None:
        pass


class _Array:
    """Stands for a NumPy array of bytes or flags: remembers its raw content."""

    def __init__(self, *_: Any) -> None:
        self.content = b""

    def __setstate__(self, state: Any) -> None:
        _, _, dtype, _, content = state
        if not isinstance(dtype, _Dtype) or dtype.code.lstrip("|") not in ("b1", "u1", "i1", "?"):
            raise InputError("arrays in it must be of bytes or flags")
        self.content = content if isinstance(content, bytes) else content.encode("latin1")


def _make_array(*_: Any) -> _Array:
    return _Array()


def _make_scalar(dtype: _Dtype, content: Any) -> bool:
    raw = content if isinstance(content, bytes) else str(content).encode("latin1")
    return raw != b"\0"


def _encode(text: str, encoding: str) -> bytes:
    # Python 2 and old protocols write bytes as latin-1 text.
    return text.encode("latin1" if encoding != "latin1" else encoding)


_STANDS_FOR = {
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}
for _package in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _STANDS_FOR[(_package, "_reconstruct")] = _make_array
    _STANDS_FOR[(_package, "scalar")] = _make_scalar


class _Reader(pickle._Unpickler):
    # In Python, because the one in C makes room for as many objects as a file of ten bytes claims
    # to remember, up to 64 GiB. A set has a few operations an image, so it is no slower.

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STANDS_FOR[(module, name)]
        except KeyError:
            raise InputError(f"it names {module}.{name}, which no verification set does") from None


def _sequence(value: Any, path: Path) -> list[Any]:
    if isinstance(value, _Array):
        return [byte != 0 for byte in value.content]
    if isinstance(value, (list, tuple)):
        return list(value)
    raise InputError(f"{path} must hold lists, got {type(value).__name__}")


def _bytes(value: Any, path: Path) -> bytes:
    if isinstance(value, _Array):
        return value.content
    if isinstance(value, bytes):
        return value
    raise InputError(f"images in {path} must be bytes, got {type(value).__name__}")


def _flag(value: Any, path: Path) -> bool:
    if isinstance(value, (bool, int)):
        return bool(value)
    raise InputError(f"flags in {path} must be true or false, got {type(value).__name__}")
