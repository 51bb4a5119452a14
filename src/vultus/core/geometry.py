"""Boxes and affine maps. Boxes are ``x1 y1 x2 y2`` in pixels."""

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import InputError


def box_iou(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Intersection over union of every box of ``a`` with every box of ``b``.

    Args:
        a: (n, 4) float32.
        b: (m, 4) float32.

    Returns:
        (n, m) float32 in [0, 1]; 0 where both boxes are empty.
    """
    check_array("a", a, dtype=np.float32, shape=("n", 4))
    check_array("b", b, dtype=np.float32, shape=("m", 4))
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = np.prod(np.maximum(bottom_right - top_left, 0), axis=2)
    area_a = np.prod(np.maximum(a[:, 2:] - a[:, :2], 0), axis=1)
    area_b = np.prod(np.maximum(b[:, 2:] - b[:, :2], 0), axis=1)
    union = area_a[:, None] + area_b[None, :] - overlap
    iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return np.asarray(iou, np.float32)


def transform_points(
    points_xy: npt.NDArray[np.float32], transform: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Apply a 2x3 affine map to points.

    Args:
        points_xy: (..., 2) float32.
        transform: (2, 3) float32.

    Returns:
        (..., 2) float32.
    """
    check_array("transform", transform, dtype=np.float32, shape=(2, 3))
    return np.asarray(points_xy @ transform[:, :2].T + transform[:, 2], np.float32)


def invert_transform(transform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The 2x3 map that undoes another; takes points of a crop back to the photo.

    Raises:
        InputError: If the map squeezes the plane onto a line, so that nothing undoes it.
    """
    check_array("transform", transform, dtype=np.float32, shape=(2, 3))
    linear = transform[:, :2].astype(np.float64)
    if abs(np.linalg.det(linear)) < 1e-12:
        raise InputError(f"transform must be invertible, got determinant {np.linalg.det(linear):g}")
    inverse = np.linalg.inv(linear)
    shift = -inverse @ transform[:, 2].astype(np.float64)
    return np.concatenate([inverse, shift[:, None]], axis=1).astype(np.float32)
