"""How a head is turned, by five landmarks: from what cannot be seen on a flat photo.

Eyes and corners of the mouth lie nearly in a plane, the tip of the nose half the distance of the
eyes before it. However a flat photo is turned, its five points move by one affine map (up to
perspective, which is small at a face's size), and the nose stays where it is among the other four.
Under a head that turns by the angle a it moves among them by its depth times tan a. So yaw and
pitch are read off the nose alone, after the affine map of the other four is taken away.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import InputError

_HEAD = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.57], [-0.415, 1.155], [0.415, 1.155]])
"""A mean face seen from the front, in distances of its eyes: the proportions of ArcFace's template
(arXiv:1801.07698)."""
_NOSE_DEPTH = 0.5
"""How far the tip of the nose stands before the plane of the other four, in distances of the eyes:
some 3 cm of 6.3 cm. A guess; angles are as wrong as it is for this person."""
_OTHERS = [0, 1, 3, 4]
_LEAST_PX2 = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """A head as the camera sees it. Angles are right to some ten degrees, changes of them better.

    Attributes:
        yaw_deg: Turned to the person's own left (right in the photo) is positive.
        pitch_deg: Chin down is positive.
        roll_deg: Tilted to the person's own left shoulder is positive.
        scale_px: Distance of the eyes of a face of that size seen from the front.
        plane: (2, 2) float64, the linear map from the mean face's plane to the photo.
        origin: (2,) float64, where the middle between the eyes lies by that map.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    scale_px: float
    plane: npt.NDArray[np.float64]
    origin: npt.NDArray[np.float64]


def head_pose(landmarks: npt.NDArray[np.float32]) -> HeadPose:
    """The pose by five landmarks.

    Args:
        landmarks: (5, 2) float32 ``x y`` in pixels, in the order of
            `vultus.core.faces.LANDMARK_NAMES`.

    Raises:
        InputError: If they are no such array, or eyes and mouth lie in a line.
    """
    check_array("landmarks", landmarks, dtype=np.float32, shape=(5, 2))
    points = landmarks.astype(np.float64)
    system = np.c_[_HEAD[_OTHERS], np.ones(4)]
    solution = np.linalg.lstsq(system, points[_OTHERS], rcond=None)[0]
    plane = np.asarray(solution[:2].T, np.float64)
    origin = np.asarray(solution[2], np.float64)
    area = float(np.linalg.det(plane))
    if area < _LEAST_PX2:
        raise InputError(
            "landmarks must be five points with eyes and mouth apart and the right way round, got "
            f"{points.round(1).tolist()}"
        )
    away = (np.linalg.solve(plane, points[2] - origin) - _HEAD[2]) / _NOSE_DEPTH
    across = points[1] - points[0] + points[4] - points[3]
    return HeadPose(
        yaw_deg=math.degrees(math.atan(away[0])),
        pitch_deg=math.degrees(math.atan(away[1])),
        roll_deg=math.degrees(math.atan2(across[1], across[0])),
        scale_px=math.sqrt(area),
        plane=plane,
        origin=origin,
    )
