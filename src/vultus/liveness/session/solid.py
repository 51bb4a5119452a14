"""Whether what turns is solid as a head, or flat as a photo."""

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.faces import Image
from vultus.liveness.session.head_pose import HeadPose
from vultus.liveness.session.surface import depth_shift, lay_flat


@dataclass(frozen=True, slots=True, kw_only=True)
class SolidSettings:
    """What a solid head must show.

    Attributes:
        depth_deg: So much must nearer parts of the face shift against farther ones, beyond any
            homography, as the angle of a turn in degrees; 0 asks nothing.
        nose_deg: So far must the nose move among eyes and mouth, likewise.
        n_frames: Frames of which the median counts.

    Raises:
        InputError: If a number is out of range.
    """

    depth_deg: float = 3.0
    nose_deg: float = 2.0
    n_frames: int = 5

    def __post_init__(self) -> None:
        check_range("depth_deg", self.depth_deg, low=0, high=45)
        check_range("nose_deg", self.nose_deg, low=0, high=45)
        check_positive_int("n_frames", self.n_frames)


@dataclass(slots=True)
class SolidFinder:
    """Gathers how solid a head showed itself, against its neutral pose.

    Attributes:
        neutral: That pose.
        face: That face, as `lay_flat` laid it out.
        settings: What is asked.
        depth_deg: The most that nearer parts shifted against farther ones.
        nose_deg: How far the nose moved among eyes and mouth then, in the same direction.
    """

    neutral: HeadPose
    face: npt.NDArray[np.uint8]
    settings: SolidSettings
    depth_deg: float = 0.0
    nose_deg: float = 0.0
    _recent: deque[tuple[float, float, float, float]] = field(init=False)

    def __post_init__(self) -> None:
        self._recent = deque(maxlen=self.settings.n_frames)

    def take(self, image: Image, landmarks: npt.NDArray[np.float32], pose: HeadPose) -> None:
        """Take in the next frame.

        Args:
            image: (h, w, 3) uint8, RGB.
            landmarks: (5, 2) float32 ``x y``.
            pose: `vultus.liveness.session.head_pose.head_pose` of them.
        """
        shift = depth_shift(self.face, lay_flat(image, landmarks, pose))
        if shift is None:
            return
        first = self.neutral
        yaw = _tan(pose.yaw_deg) - _tan(first.yaw_deg)
        pitch = _tan(pose.pitch_deg) - _tan(first.pitch_deg)
        self._recent.append((*shift, yaw, pitch))
        if len(self._recent) < self.settings.n_frames:
            return
        usual, moved = np.median(np.array(self._recent), axis=0).reshape(2, 2)
        size = float(np.hypot(*usual))
        # Only as far as both say the same: the nose is a part of the surface.
        along = float(usual @ moved) / size if size else 0.0
        depth = math.degrees(math.atan(size))
        if depth > self.depth_deg and along > 0:
            self.depth_deg, self.nose_deg = depth, math.degrees(math.atan(along))

    @property
    def lacking(self) -> str:
        """What a solid head would have shown and this did not, in words; empty where nothing."""
        wanted = self.settings
        if self.depth_deg >= wanted.depth_deg and self.nose_deg >= wanted.nose_deg:
            return ""
        return (
            f"near and far parts of the face shifted as by a turn of {self.depth_deg:.1f} degrees "
            f"and the nose by {self.nose_deg:.1f}; {wanted.depth_deg:g} and {wanted.nose_deg:g} "
            "are needed, a flat photo shows less"
        )


def _tan(angle_deg: float) -> float:
    return math.tan(math.radians(angle_deg))
