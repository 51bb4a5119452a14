"""The primitives of dlib's serialisation: integers, reals, text, flags and tensors.

As dlib's documentation and its written files show them: an integer is one byte that holds the
number of bytes that follow (low four bits) and the sign (high bit), then the magnitude, least
significant byte first. A real is two integers, mantissa and exponent of two. Text is its length and
its bytes, a flag one of the letters ``0`` and ``1``, and a tensor a version, four lengths and raw
little-endian float32.
"""

from math import prod
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from vultus.core.errors import ModelError

_SIGN, _LENGTH, _MOST_BYTES = 0x80, 0x0F, 8
_TENSOR_VERSION, _ALIAS_VERSION = 2, 1
_MOST_EXPONENT = 1023
Shape = tuple[int, int, int, int]


class DlibStream:
    """Reads a file's bytes from the first to the last; whatever is amiss is a `ModelError`.

    Nothing is allocated on the word of the file: what it promises must be there.

    Args:
        content: The bytes.
        name: What messages call the file.
    """

    def __init__(self, content: bytes, *, name: str) -> None:
        self._content = content
        self._name = name
        self._place = 0

    def integer(self) -> int:
        """The next integer."""
        head = self._take(1)[0]
        length = head & _LENGTH
        if not 1 <= length <= _MOST_BYTES or head & ~(_SIGN | _LENGTH):
            self.refuse("an integer of 1 to 8 bytes", f"the byte {head:#04x}")
        value = int.from_bytes(self._take(length), "little")
        return -value if head & _SIGN else value

    def count(self) -> int:
        """The next integer, which must not be negative."""
        value = self.integer()
        if value < 0:
            self.refuse("a number of at least 0", str(value))
        return value

    def real(self) -> float:
        """The next real."""
        mantissa, exponent = self.integer(), self.integer()
        if abs(exponent) > _MOST_EXPONENT:
            self.refuse("a finite real", f"an exponent of {exponent}")
        return float(mantissa) * 2.0**exponent

    def flag(self) -> bool:
        """The next flag."""
        letter = self._take(1)
        if letter not in (b"0", b"1"):
            self.refuse("a flag 0 or 1", repr(letter))
        return letter == b"1"

    def text(self) -> str:
        """The next text, of ASCII letters."""
        content = self._take(self.count())
        if not content.isascii():
            self.refuse("a name in ASCII", repr(content[:20]))
        return content.decode("ascii")

    def tensor(self) -> npt.NDArray[np.float32]:
        """The next tensor: float32 of four axes, read-only; finite."""
        shape = self._shape(_TENSOR_VERSION)
        content = self._take(4 * prod(shape))
        values = np.frombuffer(content, "<f4").reshape(shape)
        if not np.isfinite(values).all():
            self.refuse("finite weights", "NaN or infinity")
        return values

    def alias(self) -> Shape:
        """The next shape of a part of a tensor."""
        return self._shape(_ALIAS_VERSION)

    def expect(self, wanted: object, got: object, what: str) -> None:
        """Refuse the file unless both are equal."""
        if wanted != got:
            self.refuse(f"{what} {wanted!r}", repr(got))

    def end(self) -> None:
        """Refuse what follows the network."""
        left = len(self._content) - self._place
        if left:
            self.refuse("the end of the file", f"{left:,} bytes more")

    def refuse(self, wanted: str, got: str) -> NoReturn:
        """Raise.

        Raises:
            ModelError: Always; says what must be at this place, and what came.
        """
        raise ModelError(
            f"{self._name} must be dlib's face recognition ResNet, version 1: "
            f"{wanted} must be before byte {self._place:,}, got {got}; fetch the file again"
        )

    def _shape(self, version: int) -> Shape:
        self.expect(version, self.integer(), "tensor version")
        samples, channels, rows, columns = (self.count() for _ in range(4))
        return samples, channels, rows, columns

    def _take(self, length: int) -> bytes:
        part = self._content[self._place : self._place + length]
        if len(part) < length:
            self.refuse(f"{length:,} bytes", f"{len(part):,} and the end of the file")
        self._place += length
        return part
