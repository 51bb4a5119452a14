"""Crops -> the numbers that a network was trained on, and the line that says so."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.choices import Colour, Flip


def network_input(
    pixels: npt.NDArray[np.uint8], *, colour: Colour = "rgb", mean: float = 0.0, std: float = 1.0
) -> npt.NDArray[np.float32]:
    """Lay crops out as a network reads them: ``(pixels - mean) / std``, channels first.

    Args:
        pixels: (n, h, w, 3) uint8, RGB.
        colour: Channel order that the network reads.
        mean: Subtracted, in units of pixels [0, 255].
        std: Divides what is left, above 0.

    Returns:
        (n, 3, h, w) float32, C-contiguous.

    Raises:
        InputError: If dtype or shape do not match.
    """
    check_array("pixels", pixels, dtype=np.uint8, shape=("n", "h", "w", 3))
    ordered = pixels if colour == "rgb" else pixels[..., ::-1]
    planes = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2)).astype(np.float32)
    if mean != 0:
        planes -= np.float32(mean)
    if std != 1:
        planes /= np.float32(std)
    return planes


def views(planes: npt.NDArray[np.float32], *, flip: Flip) -> npt.NDArray[np.float32]:
    """The views of each crop that the network sees: plain, and mirrored left to right.

    Args:
        planes: (n, 3, h, w) float32.
        flip: ``"none"`` for the plain view alone.

    Returns:
        (n, 3, h, w), or (2n, 3, h, w) with all the mirrored views after all the plain ones.
    """
    if flip == "none":
        return planes
    return np.concatenate([planes, planes[..., ::-1]])


def fused(outputs: npt.NDArray[np.floating[Any]], *, flip: Flip) -> npt.NDArray[np.floating[Any]]:
    """One vector a crop from those of its views.

    Args:
        outputs: (n, d) or, with a flip, (2n, d): the network's outputs in the order of `views`.
        flip: ``"add"`` sums the outputs as they are, ``"concat"`` puts them side by side.

    Returns:
        (n, d), or (n, 2d) with ``"concat"``.
    """
    if flip == "none":
        return outputs
    plain, mirrored = np.split(outputs, 2)
    return plain + mirrored if flip == "add" else np.concatenate([plain, mirrored], axis=1)


def preprocessing_line(
    *, template: str, colour: Colour, mean: float, std: float, flip: Flip
) -> str:
    """What happens between photo and network, in one canonical line for `EmbeddingSpace`.

    Equal settings give equal lines and different ones different lines.

    Example:
        >>> preprocessing_line(
        ...     template="arcface-112", colour="rgb", mean=127.5, std=128.0, flip="add"
        ... )
        'arcface-112 rgb (x-127.5)/128 flip=add'
    """
    return f"{template} {colour} (x-{_number(mean)})/{_number(std)} flip={flip}"


def _number(value: float) -> str:
    """As short as possible, but never the same for two numbers."""
    value = value + 0.0  # no minus before a zero
    short = format(value, "g")
    return short if float(short) == value else repr(value)


def batch_runs(rows: int, batch_size: int, *, fixed: int | None) -> Iterator[tuple[int, int]]:
    """Split rows into (start, count) of full batches, then of powers of two.

    Engines prepare anew for each batch size that they meet. This way there are few of them, and no
    row is computed only to fill up a batch, unless the graph has a fixed batch size.
    """
    size = batch_size if fixed is None else fixed
    start = 0
    while start < rows:
        left = rows - start
        if fixed is not None:
            count = min(left, size)
        else:
            count = size if left >= size else 1 << (left.bit_length() - 1)
        yield start, count
        start += count
