"""Checks of arguments, each with one clear message: what must be, what came."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError

_UNIT_TOLERANCE = 1e-3


_ROUNDING = 1e-6


def check_array(
    name: str,
    value: Any,
    *,
    dtype: npt.DTypeLike,
    shape: Sequence[int | str],
    finite: bool = True,
) -> npt.NDArray[Any]:
    """Check that ``value`` is an array of this dtype and shape, and return it unchanged.

    Args:
        name: What the message calls the array.
        value: The object to check; nothing is converted.
        dtype: The one dtype accepted.
        shape: One entry per axis: an int must match exactly, a str is a free (named) length;
            the same name twice must be the same length twice.
        finite: Also refuse NaN and infinities (floating dtypes only).

    Returns:
        ``value`` itself.

    Raises:
        InputError: If it is no array, or dtype, shape or finiteness do not match.

    Example:
        >>> boxes = np.zeros((2, 4))
        >>> check_array("boxes", boxes, dtype=np.float64, shape=("n", 4)).shape
        (2, 4)
        >>> check_array("boxes", boxes.T, dtype=np.float64, shape=("n", 4))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        vultus.core.errors.InputError: boxes must be float64 of shape (n, 4), got float64 ...
    """
    # The words are put together only where they are needed: they take longer than the check.
    kind = np.dtype(dtype)
    if not isinstance(value, np.ndarray):
        wanted = f"{name} must be {kind} of shape {_shape_text(shape)}"
        raise InputError(f"{wanted}, got {type(value).__name__}")
    if value.dtype != kind or not _shape_matches(value.shape, shape):
        wanted = f"{name} must be {kind} of shape {_shape_text(shape)}"
        raise InputError(f"{wanted}, got {value.dtype} of shape {_shape_text(value.shape)}")
    if finite and value.dtype.kind == "f" and not np.isfinite(value).all():
        bad = int(value.size - np.isfinite(value).sum())
        raise InputError(f"{name} must be finite, got {bad} NaN or infinite of {value.size} values")
    return value


def check_unit_rows(name: str, rows: npt.NDArray[np.float32]) -> None:
    """Check that every row of an (n, dim) array has Euclidean length 1, within 0.001.

    Raises:
        InputError: If one has not; the message names the worst.
    """
    lengths = np.linalg.norm(rows, axis=1)
    off = np.abs(lengths - 1)
    if len(lengths) and off.max() > _UNIT_TOLERANCE:
        row = int(off.argmax())
        raise InputError(f"{name} must have rows of length 1, row {row} has {lengths[row]:.6g}")


def check_range(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Check that a number lies in an interval, and return it as float.

    Args:
        name: What the message calls the number.
        value: A real number (bool is refused).
        low: Lower end.
        high: Upper end.
        low_open: Exclude the lower end.
        high_open: Exclude the upper end.

    Raises:
        InputError: If it is no real number, is NaN, or lies outside.
    """
    interval = f"{'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputError(f"{name} must be a number in {interval}, got {type(value).__name__}")
    number = float(value)
    above = number > low if low_open else number >= low
    below = number < high if high_open else number <= high
    if not (above and below):
        raise InputError(f"{name} must be a number in {interval}, got {number:g}")
    return number


def check_positive_int(name: str, value: Any, *, minimum: int = 1) -> int:
    """Check that ``value`` is an int of at least ``minimum`` (bool is refused), and return it.

    Raises:
        InputError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise InputError(f"{name} must be an integer of at least {minimum}, got {value!r}")
    return int(value)


def check_similarities(name: str, values: npt.NDArray[np.floating[Any]]) -> None:
    """Cosines are in [-1, 1], but for rounding.

    Args:
        name: What messages call them.
        values: Of any shape.

    Raises:
        InputError: If one is not.
    """
    if values.size and not -1 - _ROUNDING <= float(values.min()) <= float(values.max()) <= (
        1 + _ROUNDING
    ):
        raise InputError(
            f"{name} must be in [-1, 1], got {float(values.min()):g} to {float(values.max()):g}"
        )


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view; the caller's own array stays writable."""
    view = array.view()
    view.flags.writeable = False
    return view


def _shape_text(shape: Sequence[int | str]) -> str:
    inner = ", ".join(str(length) for length in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def _shape_matches(actual: tuple[int, ...], wanted: Sequence[int | str]) -> bool:
    if len(actual) != len(wanted):
        return False
    named: dict[str, int] = {}
    for length, want in zip(actual, wanted, strict=True):
        expected = named.setdefault(want, length) if isinstance(want, str) else want
        if length != expected:
            return False
    return True
