"""Where a face will be: a Kalman filter on its box, at constant velocity."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.geometry import box_iou

Floats = npt.NDArray[np.float64]

_STEP_S = 1 / 30
"""The filter's noise is that of frames so far apart."""
_POSITION, _VELOCITY = 1 / 20, 1 / 160
"""Standard deviations as shares of the box's height (Wojke et al. 2017, DeepSORT)."""
_SHAPE, _SHAPE_STEP, _SHAPE_MEASURED = 1e-2, 1e-5, 1e-1
"""The same of width over height, which has no unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What is known of a box: centre x and y, width over height, and height, each with velocity.

    The four do not disturb each other in that model, so there are four filters of two states.

    Attributes:
        value: (4,) float64: x, y, shape, height; in pixels.
        velocity: (4,) float64: the same per 1/30 s.
        covariance: (3, 4) float64: variance of the value, covariance, variance of the velocity.
    """

    value: Floats
    velocity: Floats
    covariance: Floats

    @classmethod
    def begun(cls, box: npt.ArrayLike) -> "Motion":
        """Of a box that is seen for the first time.

        Args:
            box: (4,) ``x1 y1 x2 y2`` in pixels.
        """
        value = _measured(box)
        height = value[3]
        position, velocity = 2 * _POSITION * height, 10 * _VELOCITY * height
        of_value = np.array([position, position, _SHAPE, position]) ** 2
        of_velocity = np.array([velocity, velocity, _SHAPE_STEP, velocity]) ** 2
        return cls(value, np.zeros(4), np.stack([of_value, np.zeros(4), of_velocity]))

    def after(self, seconds: float) -> "Motion":
        """What is to be expected so much later (prediction)."""
        steps = seconds / _STEP_S
        height = max(self.value[3], 1.0)
        position, velocity = _POSITION * height, _VELOCITY * height
        noise = np.array([position, position, _SHAPE, position]) ** 2
        drift = np.array([velocity, velocity, _SHAPE_STEP, velocity]) ** 2
        of_value, both, of_velocity = self.covariance
        covariance = np.stack(
            [
                of_value + 2 * steps * both + steps**2 * of_velocity + steps * noise,
                both + steps * of_velocity,
                of_velocity + steps * drift,
            ]
        )
        return Motion(self.value + steps * self.velocity, self.velocity, covariance)

    def corrected(self, box: npt.ArrayLike) -> "Motion":
        """What is known after the box was seen (update)."""
        seen = _measured(box)
        noise = np.full(4, (_POSITION * max(self.value[3], 1.0)) ** 2)
        noise[2] = _SHAPE_MEASURED**2
        of_value, both, of_velocity = self.covariance
        gain, gain_velocity = of_value / (of_value + noise), both / (of_value + noise)
        surprise = seen - self.value
        covariance = np.stack(
            [(1 - gain) * of_value, (1 - gain) * both, of_velocity - gain_velocity * both]
        )
        value, velocity = self.value + gain * surprise, self.velocity + gain_velocity * surprise
        return Motion(value, velocity, covariance)

    @property
    def box(self) -> Floats:
        """(4,) float64: ``x1 y1 x2 y2``."""
        x, y, shape, height = self.value
        half = np.array([max(shape, 0) * height, height]) / 2
        return np.array([x - half[0], y - half[1], x + half[0], y + half[1]])

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON, without loss."""
        return {
            "value": self.value.tolist(),
            "velocity": self.velocity.tolist(),
            "covariance": self.covariance.tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Motion":
        """What `to_dict` told."""
        return cls(*(np.array(values[k], np.float64) for k in ("value", "velocity", "covariance")))


def _measured(box: npt.ArrayLike) -> Floats:
    x1, y1, x2, y2 = np.asarray(box, np.float64)
    width, height = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2, width / height, height])


def overlaps(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """(n, m) float64 in [0, 1]: area in common over area of both.

    Args:
        first: (n, 4) boxes.
        second: (m, 4) boxes.
    """
    a, b = (np.asarray(boxes, np.float32).reshape(-1, 4) for boxes in (first, second))
    return np.asarray(box_iou(a, b), np.float64)
