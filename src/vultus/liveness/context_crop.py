"""The crops that passive networks look at: a face with what lies around it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.faces import Image

_ROUNDING = 1e-6
"""Pixels: a length that fills the photo must not lose its last pixel to rounding."""


@dataclass(frozen=True, slots=True)
class ContextCrop:
    """A face with its surroundings.

    Attributes:
        pixels: (size, size, 3) uint8, RGB; height and width are scaled each by itself.
        times: How many times as large as the face's box it is, in width and height; less than
            asked where the photo ends.
        scaling: Pixels of the crop for one pixel of the photo, along the more enlarged side.
    """

    pixels: Image
    times: float
    scaling: float


def context_crop(
    image: Image, box: npt.NDArray[np.floating], *, times: float, size_px: int
) -> ContextCrop:
    """Cut out a face with what lies around it.

    The cut has the box's middle and proportion and is ``times`` as large. Where the photo has no
    room for that, it is as large as fits; where it would reach over an edge, it is moved inside.

    Args:
        image: (h, w, 3) uint8, RGB.
        box: (4,) ``x1 y1 x2 y2`` in pixels; its middle must lie in the photo.
        times: How many times the box, above 0.
        size_px: Height and width of the crop.

    Raises:
        InputError: If the box is empty or lies outside the photo.

    Source:
        The rule is that of Silent-Face-Anti-Spoofing (Minivision, 2020), whose networks were
        trained on such crops.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(value) for value in box)
    centre = ((x1 + x2) / 2, (y1 + y2) / 2)
    inside = 0 <= centre[0] < width and 0 <= centre[1] < height
    if not (x2 > x1 and y2 > y1 and inside):
        raise InputError(
            f"a face's box must have an area and its middle in the photo of {width} x {height} "
            f"pixels, got {x1:.0f} {y1:.0f} {x2:.0f} {y2:.0f}"
        )
    fits = min((height - 1) / (y2 - y1), (width - 1) / (x2 - x1), times)
    left, right = _placed(centre[0], (x2 - x1) * fits, last=width - 1)
    top, bottom = _placed(centre[1], (y2 - y1) * fits, last=height - 1)
    cut = image[top : bottom + 1, left : right + 1]
    pixels = cv2.resize(cut, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return ContextCrop(
        np.asarray(pixels, np.uint8), fits, size_px / min(cut.shape[0], cut.shape[1])
    )


def _placed(centre: float, length: float, *, last: int) -> tuple[int, int]:
    """First and last pixel of a stretch, moved inside 0 .. last."""
    low, high = centre - length / 2, centre + length / 2
    if low < 0:
        low, high = 0.0, high - low
    if high > last:
        low, high = low - (high - last), float(last)
    return max(int(low + _ROUNDING), 0), int(high + _ROUNDING)
