"""From head units to pixels of an aligned crop: pose, perspective and alignment."""

import math

import numpy as np
import numpy.typing as npt

from vultus.alignment.align import similarity_transforms
from vultus.data.paint import Points
from vultus.data.synthetic.conditions import Conditions
from vultus.data.synthetic.identity import SyntheticIdentity

_PIVOT = np.array([0.0, 0.6, 0.0])
"""What the head turns about, in head units."""

_FACE_DEPTH = 1.7
_SKULL_DEPTH = 2.4
_FACE_HALF_HEIGHT = 4.3
_MIDDLE = np.array([0.0, 0.5])


class View:
    """The camera's view of one head.

    The face's surface is half an ellipsoid, on which features lie; the nose stands out of it. Pose
    turns it in space, and the five landmarks, with the errors that a detector makes, are laid on
    the template as alignment lays them.

    Args:
        identity: Whose head.
        conditions: Pose, distance and errors of the landmarks.
        target: (5, 2) float64, the template's places in pixels.

    Attributes:
        landmarks: (5, 2) float32, where the landmarks really lie in the crop, in pixels.
        scale_px: Pixels per head unit.
        widening: Factor for the x of outlines, so that a head that turns stays as wide as an
            ellipsoid does, instead of becoming narrow as a disk.
    """

    def __init__(
        self, identity: SyntheticIdentity, conditions: Conditions, *, target: Points
    ) -> None:
        self._half = _half_axes(identity)
        rotation = _rotation(conditions.yaw_deg, conditions.pitch_deg)
        slope = math.tan(math.radians(conditions.yaw_deg))
        self.widening = math.hypot(1.0, _SKULL_DEPTH / identity.face_width * slope)
        # Columns: x, y, and depth as a share of the camera's distance.
        self._matrix = rotation / (1, 1, conditions.distance)
        self._shift = np.zeros(2)
        places = _landmarks(identity, conditions)
        seen = self.project(places)
        found = (seen + np.array(conditions.landmark_noise)).astype(np.float32)
        transform = similarity_transforms(found[None], target)[0].astype(np.float64)
        self._matrix[:, :2] = self._matrix[:, :2] @ transform[:, :2].T
        self._shift = transform[:, 2]
        self.scale_px = float(np.hypot(*transform[:, 0]))
        self.landmarks = self.project(places).astype(np.float32)

    def project(self, points: npt.ArrayLike) -> Points:
        """Pixels ``(k, 2)`` of points ``(k, 3)`` in head units; z is towards the camera."""
        turned = (np.asarray(points, np.float64) - _PIVOT) @ self._matrix
        return self._seen(turned)

    def on_face(self, points: npt.ArrayLike, *, lift: float = 0.0) -> Points:
        """Pixels of points ``(k, 2)`` on the face's surface, or ``lift`` above it."""
        xy = np.asarray(points, np.float64)
        # As `project`, but without putting the three coordinates into one array first.
        depth = _depth(xy, self._half)[:, None] + lift
        return self._seen((xy - _PIVOT[:2]) @ self._matrix[:2] + depth * self._matrix[2])

    def _seen(self, turned: npt.NDArray[np.float64]) -> Points:
        return np.asarray(turned[:, :2] / (1 - turned[:, 2:]) + self._shift)


def surface(identity: SyntheticIdentity, xy: Points) -> npt.NDArray[np.float64]:
    """(k,) depth of the face at ``(k, 2)`` points; beyond its edge that of the edge."""
    return _depth(xy, _half_axes(identity))


def _half_axes(identity: SyntheticIdentity) -> npt.NDArray[np.float64]:
    return np.array([1.12 * identity.face_width, _FACE_HALF_HEIGHT])


def _depth(xy: Points, half_axes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shares = (xy - _MIDDLE) / half_axes
    inside = np.maximum(0.04, 1 - np.einsum("ij,ij->i", shares, shares))
    return np.asarray(_FACE_DEPTH * np.sqrt(inside))


def _landmarks(identity: SyntheticIdentity, conditions: Conditions) -> npt.NDArray[np.float64]:
    """(5, 3) in head units, in the order of `vultus.core.faces.LANDMARK_NAMES`."""
    x = mouth_half_width(identity, conditions)
    y = identity.mouth_y - corner_rise(identity, conditions)
    s = identity.eye_spacing
    flat = np.array([[-s, 0.0], [s, 0.0], [0.0, identity.nose_length], [-x, y], [x, y]])
    depth = surface(identity, flat)
    depth[2] += identity.nose_depth
    return np.column_stack([flat, depth])


def mouth_half_width(identity: SyntheticIdentity, conditions: Conditions) -> float:
    """Half the mouth's length with this expression."""
    return identity.mouth_width * (1 + 0.16 * conditions.smile - 0.1 * conditions.mouth_open)


def corner_rise(identity: SyntheticIdentity, conditions: Conditions) -> float:
    """How far the corners of the mouth lie above its middle."""
    return identity.mouth_curve + 0.2 * conditions.smile


def _rotation(yaw_deg: float, pitch_deg: float) -> npt.NDArray[np.float64]:
    """(3, 3): row vectors in, row vectors out; pitch first, then yaw."""
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    return np.asarray(nod @ turn)
