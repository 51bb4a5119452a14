"""Whether it is one and the same person throughout."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.liveness.session.head_pose import HeadPose
from vultus.liveness.session.movements import turned_deg

_WORST_IN_A_ROW = 2
"""One frame may be blurred; somebody else stays."""
_KEPT_APART = 0.25
_TURN_DEG_PER_S, _LEAST_TURN_DEG = 360.0, 30.0
_SHIFT_PER_S, _LEAST_SHIFT = 8.0, 0.6
_GROWTH_PER_S, _LEAST_GROWTH = 4.0, 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class SamenessSettings:
    """How alike the faces of a session must be.

    Attributes:
        to_first: Least cosine similarity to the neutral face, in [-1, 1].
        to_last: Least cosine similarity to the last frame that was alike, in [-1, 1].
    """

    to_first: float = 0.35
    to_last: float = 0.5

    def __post_init__(self) -> None:
        check_range("to_first", self.to_first, low=-1, high=1)
        check_range("to_last", self.to_last, low=-1, high=1)


@dataclass(slots=True)
class SamePerson:
    """Follows one person from frame to frame.

    Attributes:
        settings: How alike faces must be.
        least: The least similarity to the neutral face so far.
    """

    settings: SamenessSettings
    least: float = 1.0
    _first: npt.NDArray[np.float32] | None = None
    _last: npt.NDArray[np.float32] | None = None
    _unlike: int = 0
    _n_unlike: int = 0
    _n: int = 0
    _before: tuple[float, HeadPose, npt.NDArray[np.float64]] | None = field(default=None)

    def begin(self, vector: npt.NDArray[np.float32]) -> None:
        """The face that all others are compared with, (dim,) of length 1."""
        self._first = vector

    def alike(self, vector: npt.NDArray[np.float32]) -> str:
        """Compare the next face.

        Args:
            vector: (dim,) float32 of length 1.

        Returns:
            What is wrong, in words; empty where nothing is.
        """
        self._n += 1
        to_first = 1.0 if self._first is None else float(self._first @ vector)
        to_last = 1.0 if self._last is None else float(self._last @ vector)
        self.least = min(self.least, to_first)
        if to_first >= self.settings.to_first and to_last >= self.settings.to_last:
            self._unlike, self._last = 0, vector
            return ""
        self._unlike += 1
        self._n_unlike += 1
        if self._unlike >= _WORST_IN_A_ROW or self._n_unlike > max(2, _KEPT_APART * self._n):
            return (
                f"another person: similarity {to_first:.2f} to the first frames and "
                f"{to_last:.2f} to the last ({self.settings.to_first:g} and "
                f"{self.settings.to_last:g} are needed)"
            )
        return ""

    def went_on(self, time_s: float, pose: HeadPose, centre: npt.NDArray[np.float64]) -> str:
        """Whether a head can have come here from where it was.

        Args:
            time_s: When, in seconds.
            pose: How it is turned.
            centre: (2,) middle of the face in pixels.

        Returns:
            What is wrong, in words; empty where nothing is.
        """
        before, self._before = self._before, (time_s, pose, centre)
        if before is None:
            return ""
        passed, was, place = time_s - before[0], before[1], before[2]
        turned = max(abs(turned_deg(pose.roll_deg - was.roll_deg)), abs(pose.yaw_deg - was.yaw_deg))
        if turned > max(_LEAST_TURN_DEG, _TURN_DEG_PER_S * passed):
            return f"the head jumped: {turned:.0f} degrees in {passed:.2f} s"
        shift = float(np.linalg.norm(centre - place)) / (2.5 * was.scale_px)
        if shift > max(_LEAST_SHIFT, _SHIFT_PER_S * passed):
            return f"the face jumped by {shift:.1f} of its size in {passed:.2f} s"
        growth = abs(float(np.log(pose.scale_px / was.scale_px)))
        if growth > max(_LEAST_GROWTH, _GROWTH_PER_S * passed):
            return f"the face changed its size at once, {np.exp(growth):.1f} times"
        return ""
