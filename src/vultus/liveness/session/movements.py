"""Movements of a head that can be asked for, found in its pose as it goes along."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from vultus.core.checks import check_range
from vultus.liveness.session.head_pose import HeadPose

Movement = Literal["turn_left", "turn_right", "nod", "look_up", "tilt_left", "tilt_right", "closer"]
"""What can be asked for; left and right are the person's own, ``nod`` is the chin going down."""

MOVEMENTS: tuple[Movement, ...] = get_args(Movement)

OUT_OF_PLANE: tuple[Movement, ...] = ("turn_left", "turn_right", "nod", "look_up")
"""Those by which a solid head shows that it is one; a flat photo can be tilted and come closer."""

_ARMED_BELOW = 0.6
"""A movement counts anew once it was taken back to this part of what is asked."""
_WRONG_FROM = 1.4
"""Another movement than the one asked for is a wrong answer from so much of its own measure on."""
_ALONG = 0.75
"""Whoever does what is asked to this part of the other movement only moves along a little."""
_SMOOTHED = 3
"""Poses of which the median is taken, and two medians in a row must be far enough: bad looks at a
face are no movement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementSettings:
    """How far a movement must go, from the person's own neutral pose.

    Attributes:
        turn_deg: Turns of the head to the left or right, in degrees.
        nod_deg: Chin down or up, in degrees.
        tilt_deg: Head towards a shoulder, in degrees.
        closer: How many times as large as at first the face must become.

    Raises:
        InputError: If a number is out of range.
    """

    turn_deg: float = 10.0
    nod_deg: float = 8.0
    tilt_deg: float = 15.0
    closer: float = 1.2

    def __post_init__(self) -> None:
        for name in ("turn_deg", "nod_deg", "tilt_deg"):
            check_range(name, getattr(self, name), low=3, high=60)
        check_range("closer", self.closer, low=1.05, high=3)


@dataclass(slots=True)
class MovementFinder:
    """Tells when a movement is made.

    Attributes:
        neutral: The pose that movements are measured from.
        settings: How far they must go.
    """

    neutral: HeadPose
    settings: MovementSettings
    _poses: deque[HeadPose] = field(default_factory=lambda: deque(maxlen=_SMOOTHED))
    _armed: set[Movement] = field(default_factory=lambda: set(MOVEMENTS))
    _just: set[Movement] = field(default_factory=set)
    _wrong_armed: set[Movement] = field(default_factory=lambda: set(MOVEMENTS))

    def take(self, pose: HeadPose, asked: Movement | None) -> tuple[bool, Movement | None]:
        """Take in the next pose.

        Args:
            pose: The pose.
            asked: What is asked for now; None where nothing is.

        Returns:
            Whether that was just made, and which other movement was made instead.
        """
        self._poses.append(pose)
        parts = self.parts(smoothed(list(self._poses)))
        for name, part in parts.items():
            if part <= _ARMED_BELOW:
                self._armed.add(name)
                self._wrong_armed.add(name)
        there = {name for name in self._armed if parts[name] >= 1}
        made, self._just = there & self._just, there
        too_far = {name for name in self._wrong_armed if parts[name] >= _WRONG_FROM}
        self._armed -= made
        if asked is None:
            return False, None
        if asked in made:
            return True, None
        for name in sorted(too_far - {asked}, key=lambda name: -parts[name]):
            if parts[asked] < _ALONG * parts[name]:
                self._wrong_armed.discard(name)
                return False, name
        return False, None

    def step(self) -> None:
        """The next movement is asked for: what is held now from the last one is no wrong answer."""
        if self._poses:
            parts = self.parts(smoothed(list(self._poses)))
            self._wrong_armed -= {name for name in MOVEMENTS if parts[name] > _ARMED_BELOW}

    def begin_anew(self) -> None:
        """Measure from where the head is now; nothing is held of what was made before."""
        if self._poses:
            self.neutral = smoothed(list(self._poses))
        self._armed, self._wrong_armed = set(MOVEMENTS), set(MOVEMENTS)
        self._just = set()

    def current(self) -> dict[Movement, float]:
        """How much of each movement is made now; see `parts`."""
        if not self._poses:
            return dict.fromkeys(MOVEMENTS, 0.0)
        return self.parts(smoothed(list(self._poses)))

    def now(self, asked: Movement) -> float:
        """How much of a movement is made now; see `parts`."""
        return self.current()[asked]

    def parts(self, pose: HeadPose) -> dict[Movement, float]:
        """How much of each movement a pose is: 1 is all that is asked, negative the other way."""
        first, limits = self.neutral, self.settings
        turn = (pose.yaw_deg - first.yaw_deg) / limits.turn_deg
        nod = (pose.pitch_deg - first.pitch_deg) / limits.nod_deg
        tilt = turned_deg(pose.roll_deg - first.roll_deg) / limits.tilt_deg
        closer = math.log(pose.scale_px / first.scale_px) / math.log(limits.closer)
        return {
            "turn_left": turn,
            "turn_right": -turn,
            "nod": nod,
            "look_up": -nod,
            "tilt_left": tilt,
            "tilt_right": -tilt,
            "closer": closer,
        }


def smoothed(poses: list[HeadPose]) -> HeadPose:
    """The median of some poses, each number by itself."""
    first = poses[0].roll_deg
    return HeadPose(
        yaw_deg=float(np.median([pose.yaw_deg for pose in poses])),
        pitch_deg=float(np.median([pose.pitch_deg for pose in poses])),
        roll_deg=first + float(np.median([turned_deg(pose.roll_deg - first) for pose in poses])),
        scale_px=float(np.median([pose.scale_px for pose in poses])),
        plane=np.median([pose.plane for pose in poses], axis=0),
        origin=np.median([pose.origin for pose in poses], axis=0),
    )


def turned_deg(angle_deg: float) -> float:
    """An angle in (-180, 180]."""
    return -((180 - angle_deg) % 360 - 180)
