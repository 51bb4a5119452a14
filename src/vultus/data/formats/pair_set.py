"""Pair sets: the ``*.bin`` verification sets of the ArcFace data packs.

Such a file is a pickle of (encoded images, same-person flags). A pickle may call anything that it
names; here nothing is ever looked up: the few names that these files use stand for small classes
below, and every other name is refused.
"""

import math
import pickle
import re
import struct
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.files import writing

_MAX_BYTES = 1 << 31
"""A hundred times the largest published set."""

_PROTOCOL = 4
"""Bytes are stored as bytes from 3 on, and large ones from 4 on; Python 3.4 reads it."""

_NUMBERS = re.compile(r"\?|b1|[iu][1248]|f[248]")

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
        InputError: If it is no such file, names anything but lists, bytes and flags, has more than
            2 GiB, or has flags that mean neither.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            if path.stat().st_size > _MAX_BYTES:
                raise InputError(f"more than {_MAX_BYTES:,} bytes are no verification set")
            content = _Reader(_Bounded(stream, path.stat().st_size)).load()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except _BROKEN as error:
        raise InputError(f"{path} is no verification set (*.bin): {error}") from error
    if not isinstance(content, (tuple, list)) or len(content) != 2:
        raise InputError(f"{path} must hold two lists, images and flags, got something else")
    images = [_bytes(image, path) for image in _sequence(content[0], path)]
    flags = _flags(_sequence(content[1], path), path)
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
    with writing(path, private=True) as stream:
        pickle.dump(content, stream, protocol=_PROTOCOL)


class _Dtype:
    """Stands for numpy.dtype: remembers its code, e.g. ``b1`` or ``i8``, and the order of bytes."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self._code = _text(code).lstrip("|")
        self._order = "="

    def set_state(self, state: Any) -> None:
        self._order = _text(state[1])

    def values(self, content: bytes | str) -> npt.NDArray[Any]:
        """The numbers in raw bytes, which protocols 0 to 2 of Python 3 keep as latin-1 text."""
        if not _NUMBERS.fullmatch(self._code) or self._order not in ("=", "|", "<", ">"):
            raise InputError("NumPy objects in it must be numbers, or arrays of bytes or numbers")
        order = "<" if self._order in "=|" else self._order
        raw = content if isinstance(content, bytes) else content.encode("latin1")
        values: npt.NDArray[Any] = np.frombuffer(raw, np.dtype(f"{order}{self._code}"))
        return values


class _Array:
    """Stands for a NumPy array: its numbers, one after the other."""

    def __init__(self, *_: Any) -> None:
        self.values: npt.NDArray[Any] = np.zeros(0, np.uint8)

    @cached_property
    def content(self) -> bytes:
        """Their bytes, once however often the array is named."""
        return self.values.tobytes()

    def set_state(self, state: Any) -> None:
        _, shape, dtype, _, content = state
        self.values = _shaped(dtype, content, shape)


def _shaped(dtype: Any, content: Any, shape: Any) -> npt.NDArray[Any]:
    if not (isinstance(dtype, _Dtype) and isinstance(content, (bytes, str))):
        raise InputError("NumPy objects in it must be numbers, or arrays of bytes or numbers")
    values = dtype.values(content)
    counts = all(isinstance(size, int) and 0 <= size <= len(values) for size in shape)
    if not counts or math.prod(shape) != len(values):
        raise InputError(f"an array in it has {len(values)} numbers, and says something else")
    return values


def _make_array(*_: Any) -> _Array:
    return _Array()


def _make_array_of_buffer(content: Any, dtype: _Dtype, shape: Any, *_: Any) -> _Array:
    array = _Array()
    array.values = _shaped(dtype, content, shape)
    return array


def _make_scalar(dtype: _Dtype, content: Any) -> Any:
    return _shaped(dtype, content, ())[0].item()


def _encode(text: str = "", *_: Any) -> bytes:
    # Python 2 and old protocols write bytes as latin-1 text.
    return text.encode("latin1")


def _make_bytes(content: bytes | str = b"", *_: Any) -> bytes:
    # A number would be so many zeros.
    return content if isinstance(content, bytes) else _encode(content)


_STANDS_FOR: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    ("builtins", "bytearray"): _make_bytes,
    ("__builtin__", "bytearray"): _make_bytes,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}
for _package in ("numpy.core", "numpy._core"):
    _STANDS_FOR[(f"{_package}.multiarray", "_reconstruct")] = _make_array
    _STANDS_FOR[(f"{_package}.multiarray", "scalar")] = _make_scalar
    _STANDS_FOR[(f"{_package}.numeric", "_frombuffer")] = _make_array_of_buffer
_CALLABLE = frozenset(_STANDS_FOR.values())

_UNUSED = (
    *(pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.PERSID, pickle.BINPERSID),
    *(pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
    *(pickle.FROZENSET, pickle.EMPTY_SET, pickle.ADDITEMS, pickle.DUP),
    *(pickle.DICT, pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS),
)
"""Operations that make other objects: what they cost may grow faster than the file."""


class _Bounded:
    """A stream of which never more is asked for than is left: who asks gets room before bytes."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size
        self.size = size

    def read(self, size: int) -> bytes:
        if size > self._left:
            raise EOFError(f"it says that {size:,} bytes follow, and {self._left:,} do")
        self._left -= size
        return self._stream.read(size)

    def readline(self) -> bytes:
        line = self._stream.readline()
        self._left -= len(line)
        return line


class _Reader(pickle._Unpickler):
    # In Python, because the one in C makes room for as many objects as a file of ten bytes claims
    # to remember, up to 64 GiB. A set has a few operations an image, so it is no slower.

    append: Callable[[Any], None]
    memo: Any
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    stack: list[Any]

    def __init__(self, stream: _Bounded) -> None:
        super().__init__(stream, encoding="bytes")
        # What is made of bytes that were read can be asked for again and again.
        # Old protocols make each thing twice: text to bytes, bytes to numbers.
        self._may_make = 4 * stream.size

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STANDS_FOR[(module, name)]
        except KeyError:
            raise InputError(f"it names {module}.{name}, which no verification set does") from None

    def _bytes_of_8_byte_length(self) -> None:
        self.append(self.read(struct.unpack("<Q", self.read(8))[0]))

    def _call(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        if not callable(function) or function not in _CALLABLE:
            raise InputError("it calls what cannot be called")
        self._count(arguments)
        self.stack[-1] = function(*arguments)

    def _set_state(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], (_Array, _Dtype)):
            raise InputError("it changes what no verification set does")
        self._count(state)
        self.stack[-1].set_state(state)

    def _count(self, values: Any) -> None:
        self._may_make -= sum(len(value) for value in values if isinstance(value, (bytes, str)))
        if self._may_make < 0:
            raise InputError("it makes much more of its bytes than it has")

    def _put(self) -> None:
        place = int(self.readline()[:-1])
        # Larger numbers can be chosen so that all fall on one place of the memory's table.
        if not 0 <= place < 1 << 32:
            raise InputError("it remembers more than any verification set does")
        self.memo[place] = self.stack[-1]

    def _refuse(self) -> None:
        raise InputError("it makes objects that no verification set does")

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = pickle._Unpickler.dispatch | {
        pickle.BYTEARRAY8[0]: _bytes_of_8_byte_length,
        pickle.REDUCE[0]: _call,
        pickle.BUILD[0]: _set_state,
        pickle.PUT[0]: _put,
        **dict.fromkeys((code[0] for code in _UNUSED), _refuse),
    }


def _text(value: Any) -> str:
    # Never str() of anything: a list that holds itself twice has no end of text.
    if not isinstance(value, (bytes, str)):
        raise InputError("a NumPy type in it has no name")
    return value.decode() if isinstance(value, bytes) else value


def _sequence(value: Any, path: Path) -> list[Any]:
    if isinstance(value, _Array):
        numbers: list[Any] = value.values.tolist()
        return numbers
    if isinstance(value, (list, tuple)):
        return list(value)
    raise InputError(f"{path} must hold lists, got {type(value).__name__}")


def _bytes(value: Any, path: Path) -> bytes:
    if isinstance(value, _Array):
        if value.values.itemsize != 1:
            raise InputError(f"images in {path} must be bytes, got {value.values.dtype} numbers")
        return value.content
    if isinstance(value, bytes):
        return value
    raise InputError(f"images in {path} must be bytes, got {type(value).__name__}")


def _flags(values: Sequence[Any], path: Path) -> npt.NDArray[np.bool_]:
    """Same person: True or 1. Another: False or 0, or -1 in the sets that write -1 and 1."""
    for value in values:
        number = isinstance(value, (bool, int, float))
        if not number or value not in (-1, 0, 1):
            # A number may have too many digits to be written.
            shown = repr(value) if number and abs(value) < 1 << 32 else type(value).__name__
            raise InputError(
                f"flags in {path} must be true or false, 1 or 0, or 1 or -1, got {shown}"
            )
    if 0 in values and -1 in values:
        raise InputError(f"flags in {path} must be 1 or 0, or 1 or -1, got both 0 and -1")
    return np.array([value == 1 for value in values], np.bool_)
