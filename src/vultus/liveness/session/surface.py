"""How the surface of a face shifts as it turns: what a flat photo cannot do.

Two looks at a flat photo are one homography apart, wherever and however it is held. Of a solid head
what stands nearer shifts more: its flow is a homography plus its depth times one direction,

    flow(x) = H(x) + e z(x),    abs(e) = tan of the turn, as far as z is right.

So the flow between two faces, each laid onto the mean face by eyes and mouth, is fitted by a
homography (to second order) and by e with the depth z of a rough head. Many points speak, not five;
what is left of a flat photo is what optical flow gets wrong.
"""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image
from vultus.liveness.session.head_pose import HeadPose

_SIDE_PX = 128
_EYES_PX = 40.0
_MIDDLE = np.array([_SIDE_PX / 2, _SIDE_PX / 2 - _EYES_PX * 0.5])
"""Where the middle between the eyes lies in the crop."""
_GRID_PX = 3
_BLUR_PX = 1.0
_BACK_PX = 1.0
"""Flow there and back again must end where it began, within this."""
_FLATTEST = 0.3
"""The share of points with the least texture is not asked: flow is guessed there."""
_LEAST_POINTS = 60
_LEAST_LIKE = 0.8
"""Correlation of the greys that the flow puts together: below it, they are not the same surface."""
_OUTLIER = 0.03
"""Of the distance of the eyes: from here on a point's say grows no more (Cauchy)."""
_ROUNDS = 5

_Floats = npt.NDArray[np.float64]


def lay_flat(
    image: Image, landmarks: npt.NDArray[np.float32], pose: HeadPose
) -> npt.NDArray[np.uint8]:
    """A face laid onto the mean face by the affine map of eyes and mouth.

    Args:
        image: (h, w, 3) uint8, RGB.
        landmarks: (5, 2) float32 ``x y``.
        pose: `vultus.liveness.session.head_pose.head_pose` of them.

    Returns:
        (128, 128) uint8, grey.
    """
    linear = pose.plane / _EYES_PX
    shift = pose.origin - linear @ _MIDDLE
    crop = cv2.warpAffine(
        image,
        np.c_[linear, shift],
        (_SIDE_PX, _SIDE_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), _BLUR_PX), np.uint8)


def depth_shift(
    first: npt.NDArray[np.uint8], now: npt.NDArray[np.uint8]
) -> tuple[float, float] | None:
    """By how much nearer parts shifted against farther ones, beyond any homography.

    Args:
        first: A face that `lay_flat` laid out.
        now: The same face later.

    Returns:
        ``e_x e_y``, the tangent of the turn along each axis of the face; None where too little can
        be followed from one to the other.
    """
    x, y, depth, rows, columns = _grid()
    flow, ok = _flow(first, now, rows, columns)
    if ok.sum() < _LEAST_POINTS:
        return None
    (u, v), x, y, z = flow[:, ok] / _EYES_PX, x[ok], y[ok], depth[ok]
    one, none = np.ones_like(x), np.zeros_like(x)
    along = np.c_[one, x, y, none, none, none, x * x, x * y, z, none]
    across = np.c_[none, none, none, one, x, y, x * y, y * y, none, z]
    system, wanted = np.r_[along, across], np.r_[u, v]
    weights, found = np.ones(len(wanted)), np.zeros(10)
    for _ in range(_ROUNDS):
        found = np.linalg.lstsq(system * weights[:, None], wanted * weights, rcond=None)[0]
        weights = 1 / np.sqrt(1 + ((wanted - system @ found) / _OUTLIER) ** 2)
    return float(found[8]), float(found[9])


@cache
def _grid() -> tuple[_Floats, _Floats, _Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Points of the face, ``x y`` in distances of the eyes, their depth, and where in the crop."""
    rows, columns = np.mgrid[0:_SIDE_PX:_GRID_PX, 0:_SIDE_PX:_GRID_PX]
    x, y = (columns - _MIDDLE[0]) / _EYES_PX, (rows - _MIDDLE[1]) / _EYES_PX
    face = x**2 + ((y - 0.5) / 1.15) ** 2 < 1
    x, y = x[face], y[face]
    # An ellipsoid of a head's proportions with a nose: rough, as every head is another.
    round_off = np.clip(1 - (x / 1.25) ** 2 - ((y - 0.45) / 1.7) ** 2, 0.02, None)
    nose = 0.3 * np.exp(-((x / 0.16) ** 2 + ((y - 0.52) / 0.28) ** 2) / 2)
    depth = 1.1 * np.sqrt(round_off) + nose
    return x, y, depth - depth.mean(), rows[face], columns[face]


def _flow(
    first: npt.NDArray[np.uint8],
    now: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
) -> tuple[_Floats, npt.NDArray[np.bool_]]:
    """(2, n) flow in pixels at the points, and which of it can be trusted."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    none = np.zeros((*first.shape, 2), np.float32)
    there = np.asarray(finder.calc(first, now, none.copy()), np.float32)
    back = np.asarray(finder.calc(now, first, none.copy()), np.float32)
    flow = there[rows, columns].T.astype(np.float64)
    at = np.stack([columns, rows]) + flow
    at_x, at_y = at.astype(np.float32)[:, None]
    returned = cv2.remap(back, at_x, at_y, cv2.INTER_LINEAR)[0].T
    slopes = [cv2.Sobel(first, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))]
    texture = cv2.GaussianBlur(slopes[0] ** 2 + slopes[1] ** 2, (0, 0), 3)[rows, columns]
    ok = (np.hypot(*(flow + returned)) < _BACK_PX) & (texture > np.quantile(texture, _FLATTEST))
    met = cv2.remap(now.astype(np.float32), at_x, at_y, cv2.INTER_LINEAR)[0]
    return flow, ok if _correlation(first[rows, columns][ok], met[ok]) > _LEAST_LIKE else ok & False


def _correlation(a: npt.NDArray[np.uint8], b: npt.NDArray[np.float32]) -> float:
    if len(a) < _LEAST_POINTS or not a.std() or not b.std():
        return 0.0
    return float(np.corrcoef(a.astype(np.float64), b)[0, 1])
