"""Landmarks of a face as if it were upright: detectors tell them worst of a tilted head."""

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.detection.base import Detector
from vultus.image.warp import warp

_SIDE_PX = 256
_EYES_TO_MOUTH_PX = 46.0
"""Of the crop that is looked at: a face of some 110 pixels in the middle."""
_LOOKS = 2
"""After one look the crop is upright by the tilted landmarks, after two by better ones."""
_UPRIGHT_DEG = 4.0
"""A face that the first crop shows so upright needs no second."""


def upright_landmarks(
    image: Image, landmarks: npt.NDArray[np.float32], detector: Detector
) -> npt.NDArray[np.float32]:
    """Look for a face's landmarks again, in crops turned until the face is upright.

    Args:
        image: (h, w, 3) uint8, RGB.
        landmarks: (5, 2) float32 ``x y``, as a detector found them in the image.
        detector: Looks again.

    Returns:
        (5, 2) float32 in the image; those given where no face is found in the crops.
    """
    found = landmarks
    for number in range(_LOOKS):
        try:
            transform = _to_upright(found.astype(np.float64))
        except InputError:
            return landmarks
        crop = warp(image, transform.astype(np.float32), size_hw=(_SIDE_PX, _SIDE_PX))
        seen = detector.detect(crop)
        if not len(seen):
            return found
        linear = transform[:, :2]
        inner = _middle(seen).astype(np.float64) - transform[:, 2]
        found = np.linalg.solve(linear, inner.T).T.astype(np.float32)
        across = inner[1] - inner[0] + inner[4] - inner[3]
        if number == 0 and abs(np.degrees(np.arctan2(across[1], across[0]))) < _UPRIGHT_DEG:
            break
    return found


def _middle(seen: Faces) -> npt.NDArray[np.float32]:
    away = np.linalg.norm(seen.landmarks.mean(axis=1) - _SIDE_PX / 2, axis=1)
    middle: npt.NDArray[np.float32] = seen.landmarks[int(np.argmin(away))]
    return middle


def _to_upright(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(2, 3): the similarity that lays a face upright into the middle of the crop."""
    down = (points[3] + points[4] - points[0] - points[1]) / 2
    across = points[1] - points[0] + points[4] - points[3]
    # Of a head that is turned one of the two is short and tells the direction badly.
    direction = np.array([down[1], -down[0]]) + across
    length = float(np.linalg.norm(direction))
    size = max(float(np.linalg.norm(down)), float(np.linalg.norm(points[1] - points[0])))
    if length < 1e-3 or size < 1e-3:
        raise InputError("landmarks must lie apart")
    scale = _EYES_TO_MOUTH_PX / size
    cos, sin = scale * direction / length
    linear = np.array([[cos, sin], [-sin, cos]])
    transform: npt.NDArray[np.float64] = np.c_[linear, _SIDE_PX / 2 - linear @ points.mean(axis=0)]
    return transform
