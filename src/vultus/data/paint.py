"""Anti-aliased shapes in coordinates of an aligned face, drawn or laid over with an opacity."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vultus.alignment.crop_templates import LandmarkTemplate, crop_template
from vultus.core.errors import InputError
from vultus.core.faces import Image

Points = npt.NDArray[np.float64]
Plane = npt.NDArray[np.uint8]
Value = float | tuple[float, float, float]

_SUBPIXEL_BITS = 4
"""OpenCV takes coordinates in multiples of 1/16 pixel. It rounds the y of a polygon's corners to
whole pixels all the same: who needs finer draws larger and shrinks."""


def landmark_template(name: str) -> LandmarkTemplate:
    """The template of that name.

    Raises:
        InputError: If there is none, or it has no landmarks.
    """
    template = crop_template(name)
    if not isinstance(template, LandmarkTemplate):
        raise InputError(f"template must be one with landmarks, got {name!r}")
    return template


def face_points(image: Image, template: LandmarkTemplate) -> Points:
    """Where an aligned crop's five landmarks lie: the template's places, at the crop's scale.

    Raises:
        InputError: If the crop has not the template's proportions.
    """
    return points_at((image.shape[0], image.shape[1]), template)


def points_at(size_hw: tuple[int, int], template: LandmarkTemplate) -> Points:
    """(5, 2) ``x y`` of the template's landmarks in a crop of that height and width.

    Raises:
        InputError: If the crop has not the template's proportions.
    """
    (height, width), (rows, columns) = size_hw, template.size_hw
    if height * columns != width * rows:
        raise InputError(
            f"image must have the proportions of {template.name} ({rows} x {columns}), got "
            f"{height} x {width}; name the template that the crops were made with"
        )
    # Pixel centres are at integers, so the crop's corner is at -0.5.
    return np.asarray((template.points + 0.5) * (height / rows) - 0.5)


def outline(canvas: Plane, points: Points, *, value: Value = 255) -> None:
    """Fill a polygon in place.

    Args:
        canvas: (h, w) or (h, w, 3) uint8.
        points: (k, 2) ``x y``.
        value: One value, or three for three channels.
    """
    cv2.fillPoly(canvas, [_fixed(points)], value, lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS)


def stroke(canvas: Plane, points: Points, *, thickness_px: float = 1.0, value: Value = 255) -> None:
    """Draw an open line in place; its thickness is rounded to whole pixels, at least 1.

    Args:
        canvas: (h, w) or (h, w, 3) uint8.
        points: (k, 2) ``x y``.
        thickness_px: In pixels.
        value: One value, or three for three channels.
    """
    thickness = max(1, round(thickness_px))
    cv2.polylines(
        canvas,
        [_fixed(points)],
        False,
        value,
        thickness,
        lineType=cv2.LINE_AA,
        shift=_SUBPIXEL_BITS,
    )


def smooth_outline(points: Points, *, steps: int = 4) -> Points:
    """A closed Catmull-Rom curve through ``(k, 2)`` points, as ``(k * steps, 2)`` points."""
    return np.asarray(_smoothing(len(points), steps) @ points)


@lru_cache(maxsize=64)
def _smoothing(count: int, steps: int) -> npt.NDArray[np.float64]:
    """(count * steps, count): the curve's points as weighted sums of the outline's."""
    t = np.arange(steps) / steps
    weights = [2 * t**2 - t - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
    matrix = np.zeros((count, steps, count))
    for corner in range(count):
        for offset, weight in enumerate(weights, -1):
            matrix[corner, :, (corner + offset) % count] += weight / 2
    return matrix.reshape(count * steps, count)


def lay_over(
    image: Image, plane: Plane, colour: Sequence[float] | npt.NDArray[Any], *, opacity: float = 1.0
) -> Image:
    """A new image with a colour laid over it where the plane is set.

    Args:
        image: (h, w, 3) uint8.
        plane: (h, w) uint8; 255 covers, 0 leaves as it is.
        colour: Three values in [0, 255], or an (h, w, 3) array of them.
        opacity: In [0, 1], times the plane.
    """
    x, y, width, height = cv2.boundingRect(plane)
    result = image.copy()
    if not width:
        return result
    part = (slice(y, y + height), slice(x, x + width))
    paint = np.empty((height, width, 3), np.uint8)
    whole = np.asarray(colour)
    paint[:] = np.rint(whole[part] if whole.ndim == 3 else whole)
    alpha = plane[part] * np.float32(opacity / 255)
    result[part] = cv2.blendLinear(image[part], paint, 1 - alpha, alpha)
    return result


def _fixed(points: Points) -> npt.NDArray[np.int32]:
    return np.asarray(np.rint(points * (1 << _SUBPIXEL_BITS)), np.int32)
