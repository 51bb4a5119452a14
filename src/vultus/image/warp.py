"""Cut a region out of an image through an affine map, without aliasing when it shrinks."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int
from vultus.core.errors import InputError
from vultus.core.faces import Image

NEAR_ONE = 1.25
"""Up to this shrinking (source pixels per crop pixel) bilinear sampling alone is used."""

_REACH_PX = 2
"""Source pixels kept around the region, for the bilinear neighbours of its edge."""

_FULL_STEP = 32
"""Coordinates inside OpenCV are multiples of 1/32 pixel; nothing finer matters to the region."""


_FAR_PX = 2.0**40
"""Farther out than any image; keeps wild maps within int64."""


def warp(image: Image, transform: npt.NDArray[np.float32], *, size_hw: tuple[int, int]) -> Image:
    """Resample an image through an affine map.

    Near 1:1 and when enlarging: bilinear. When shrinking by more than 1.25: the mean of bilinear
    samples no farther apart than one source pixel, over the area that the crop pixel covers, taken
    after an exact area average by a whole factor where the crop is less than half the size. So a
    face of 8000 pixels does not alias, and costs about as much as a pass over its pixels. An
    affine map that shrinks unequally is sampled for the stronger direction.

    What lies outside of the image is black.

    Args:
        image: (h, w, 3) uint8.
        transform: (2, 3) float32, image to crop: ``crop_xy = M[:, :2] @ image_xy + M[:, 2]``, with
            pixel centres at integer coordinates.
        size_hw: Height and width of the crop in pixels.

    Returns:
        (height, width, 3) uint8. Where the crop's pixels are exact blocks of the image's,
        whole even shrink factors and 3 give the exact area mean, up to rounding to uint8.

    Raises:
        InputError: If a dtype or shape does not match, the map cannot be inverted, or it shrinks
            the whole image to less than a pixel.
    """
    check_array("image", image, dtype=np.uint8, shape=("h", "w", 3))
    check_array("transform", transform, dtype=np.float32, shape=(2, 3))
    height, width = (check_positive_int("size_hw", length) for length in size_hw)
    inverse = _inverted(transform)
    shrink = float(np.linalg.norm(inverse[:, :2], ord=2))
    if shrink > max(image.shape[:2]):
        raise InputError(
            f"transform must leave the image at least one pixel, got a shrinking by {shrink:.4g} "
            f"of an image of {image.shape[1]} x {image.shape[0]}"
        )
    reduction = max(1, int(shrink / 2 + 1e-3))
    oversampling = 1 if shrink <= NEAR_ONE else int(np.ceil(shrink / reduction - 1e-3))
    region, origin = _region(image, inverse, (height, width), reduction)
    if not region.size:
        return np.zeros((height, width, 3), np.uint8)
    if reduction > 1:
        smaller = (region.shape[1] // reduction, region.shape[0] // reduction)
        region = np.asarray(cv2.resize(region, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    fine_to_region = _rebased(inverse, origin, reduction=reduction, oversampling=oversampling)
    fine = cv2.warpAffine(
        region,
        fine_to_region,
        (width * oversampling, height * oversampling),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(0, 0, 0),
    )
    if oversampling > 1:
        fine = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(fine, np.uint8)


def _inverted(transform: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The map from crop to image, in float64."""
    linear = transform[:, :2].astype(np.float64)
    scale = np.abs(linear).max()
    if abs(np.linalg.det(linear)) <= 1e-9 * scale**2:
        raise InputError(f"transform must be invertible, got {transform.tolist()}")
    inverse = np.linalg.inv(linear)
    return np.column_stack([inverse, -inverse @ transform[:, 2].astype(np.float64)])


def _region(
    image: Image, inverse: npt.NDArray[np.float64], size_hw: tuple[int, int], reduction: int
) -> tuple[Image, npt.NDArray[np.int64]]:
    """The part of the image that the crop can see, and the image position of its first pixel.

    Its sides are multiples of ``reduction``, and blocks of that size start where the first crop
    pixel's area starts, so that they coincide with the crop's own pixels when the map allows it.
    Whatever of it lies outside of the image is black.
    """
    height, width = size_hw
    corners = np.array([[x, y] for x in (-0.5, width - 0.5) for y in (-0.5, height - 0.5)])
    seen = np.clip(corners @ inverse[:, :2].T + inverse[:, 2] + 0.5, -_FAR_PX, _FAR_PX)
    first = np.floor(seen.min(axis=0) + 1 / _FULL_STEP).astype(np.int64) - reduction * _REACH_PX
    last = np.ceil(seen.max(axis=0)).astype(np.int64) + reduction * _REACH_PX
    limit = np.array([image.shape[1], image.shape[0]])
    # Skip whole blocks that lie before the image; stop at the block that holds its last pixel.
    first += reduction * np.maximum(0, -first // reduction)
    last = np.minimum(last, limit)
    if (last <= first).any() or (last <= 0).any():
        return np.zeros((0, 0, 3), np.uint8), first
    last = first + reduction * -((first - last) // reduction)
    (x0, y0), (x1, y1) = np.maximum(first, 0), np.minimum(last, limit)
    part: Any = image[y0:y1, x0:x1]
    before, after = np.maximum(-first, 0), np.maximum(last - limit, 0)
    if before.any() or after.any():
        part = cv2.copyMakeBorder(
            part, before[1], after[1], before[0], after[0], cv2.BORDER_CONSTANT, value=(0, 0, 0)
        )
    return part, first


def _rebased(
    inverse: npt.NDArray[np.float64],
    origin: npt.NDArray[np.int64],
    *,
    reduction: int,
    oversampling: int,
) -> npt.NDArray[np.float64]:
    """The map from the oversampled crop to the reduced region.

    Pixel i of a grid that is k times finer has its centre at (i + 0.5) / k - 0.5 of the coarse one.
    """
    linear = inverse[:, :2] / (reduction * oversampling)
    middle = inverse[:, :2] @ np.full(2, 0.5 / oversampling - 0.5)
    shift = (inverse[:, 2] + middle - origin + 0.5) / reduction - 0.5
    return np.column_stack([linear, shift])
