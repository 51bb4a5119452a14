"""The course of an active session: look straight ahead, make each movement, hold, be judged."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.liveness.session.challenge import Challenge
from vultus.liveness.session.course import Course
from vultus.liveness.session.head_pose import HeadPose, head_pose
from vultus.liveness.session.lights import Light, LightFinder, LightSettings
from vultus.liveness.session.movements import (
    Movement,
    MovementFinder,
    MovementSettings,
    smoothed,
)
from vultus.liveness.session.reasons import Reason as Reason
from vultus.liveness.session.reasons import ReasonCode as ReasonCode
from vultus.liveness.session.repeats import RepeatFinder
from vultus.liveness.session.sameness import SamenessSettings, SamePerson
from vultus.liveness.session.solid import SolidFinder, SolidSettings
from vultus.liveness.session.surface import lay_flat

SessionState = Literal[
    "straight ahead", "resting", "moving", "lit", "holding", "accepted", "rejected"
]  # fmt: skip
"""Where a session stands; the last two are its end."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Seen:
    """What was seen in a frame.

    Attributes:
        time_s: When it came, in seconds of the clock of who judges, ascending.
        image: (h, w, 3) uint8, RGB: the whole frame.
        n_faces: Faces that are in the way: the largest, and others nearly as large.
        landmarks: (5, 2) float32 of the largest, as if it were upright (`upright_landmarks`); None
            without a face.
        embedding: Of that face, of length 1; None without a face.
        sent_s: When it was taken by the clock of who sends, in seconds; None where nobody says.
    """

    time_s: float
    image: Image
    n_faces: int
    landmarks: npt.NDArray[np.float32] | None = None
    embedding: Embeddings | None = None
    sent_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How a session is judged.

    Attributes:
        movements: How far movements must go.
        solid: What a solid head must show.
        sameness: How alike the faces must be.
        lights: What the light of a screen must show, where a challenge has lights.
        neutral_frames: Frames of the look straight ahead, of which the neutral pose is made.
        neutral_deg: So far may the head be turned in them, in degrees.
        react_s: Where a challenge has rests, a movement must begin within so many seconds of being
            asked.
        hold_s: So long is looked on after the last movement, in seconds.
        away_s: So long may no face be seen, in seconds.
        least_frames: A session of fewer frames is not judged.
    """

    movements: MovementSettings = field(default_factory=MovementSettings)
    solid: SolidSettings = field(default_factory=SolidSettings)
    sameness: SamenessSettings = field(default_factory=SamenessSettings)
    lights: LightSettings = field(default_factory=LightSettings)
    neutral_frames: int = 3
    neutral_deg: float = 40.0
    react_s: float = 2.5
    hold_s: float = 0.8
    away_s: float = 1.0
    least_frames: int = 8

    def __post_init__(self) -> None:
        check_positive_int("neutral_frames", self.neutral_frames, minimum=2)
        check_positive_int("least_frames", self.least_frames, minimum=4)
        check_range("neutral_deg", self.neutral_deg, low=5, high=60)
        check_range("react_s", self.react_s, low=0.5, high=60)
        check_range("hold_s", self.hold_s, low=0, high=5)
        check_range("away_s", self.away_s, low=0.1, high=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a session stands.

    Attributes:
        state: Where.
        asked: The movement that is asked for now; None where none is.
        done: Movements made so far.
        n_movements: Of how many.
        parts: How much of what is asked is made, in [0, 1].
        reasons: Why it was rejected; empty unless it was.
        n_frames: Frames looked at.
        depth_deg: How much nearer parts of the face shifted against farther ones, as the angle of
            a turn; of a flat photo it is small.
        least_similarity: The least likeness to the first frames, a cosine similarity.
        light: What the screen is to be filled with now; None for nothing.
    """

    state: SessionState
    asked: Movement | None
    done: int
    n_movements: int
    parts: float
    reasons: tuple[Reason, ...]
    n_frames: int
    depth_deg: float
    least_similarity: float
    light: Light | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is looked at."""
        return self.state in ("accepted", "rejected")

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return asdict(self)


class LivenessSession:
    """One try of one person at one challenge.

    Args:
        challenge: What is asked.
        settings: How it is judged.
        begun_s: When it begins, by the clock of ``Seen.time_s``; None takes the first frame's time.
    """

    def __init__(
        self,
        challenge: Challenge,
        settings: SessionSettings | None = None,
        *,
        begun_s: float | None = None,
    ) -> None:
        self.challenge = challenge
        self.settings = SessionSettings() if settings is None else settings
        self._state: SessionState = "straight ahead"
        self._reasons: tuple[Reason, ...] = ()
        self._since = begun_s
        self._seen_s: float | None = None
        self._time_s = -np.inf
        self._solid: SolidFinder | None = None
        self._neutral: list[tuple[HeadPose, Embeddings]] = []
        self._face: npt.NDArray[np.uint8] | None = None
        self._course: Course | None = None
        self._lights: LightFinder | None = None
        self._repeats = RepeatFinder()
        self._person = SamePerson(self.settings.sameness)

    @property
    def last_s(self) -> float:
        """When the last frame came, in seconds; minus infinity before the first."""
        return float(self._time_s)

    @property
    def embeddings(self) -> Embeddings:
        """The neutral faces of an accepted session, (neutral_frames, dim).

        Raises:
            InputError: If it was not accepted: nobody's liveness is to be told by it.
        """
        if self._state != "accepted":
            raise InputError(
                f"a session must be accepted before it tells of a person, is {self._state}"
            )
        return Embeddings.concatenate([face for _, face in self._neutral])

    @property
    def progress(self) -> Progress:
        """Where it stands."""
        course = self._course
        return Progress(
            state=self._state,
            asked=None if course is None or self._state != "moving" else course.asked,
            done=0 if course is None else course.done,
            n_movements=len(self.challenge.movements),
            parts=0.0 if course is None else course.part,
            reasons=self._reasons,
            n_frames=self._repeats.n_frames,
            depth_deg=0.0 if self._solid is None else self._solid.depth_deg,
            least_similarity=self._person.least,
            light=self._lights.shown if self._lights and self._state == "lit" else None,
        )

    def take(self, seen: Seen) -> Progress:
        """Take in the next frame; after the end nothing is looked at any more.

        Raises:
            InputError: If its time is not after that of the frame before.
        """
        if self.progress.is_over:
            return self.progress
        if not seen.time_s > self._time_s:
            raise InputError(f"frames must ascend in time, got {seen.time_s} after {self._time_s}")
        self._time_s = seen.time_s
        if self._since is None:
            self._since = seen.time_s
        if wrong := self._repeats.take(seen.image, seen.time_s, seen.sent_s):
            return self._reject("repeated-frames", wrong)
        if seen.n_faces > 1:
            return self._reject("several-faces", f"{seen.n_faces} faces are before the camera")
        pose = _pose(seen)
        if pose is None or seen.landmarks is None or seen.embedding is None:
            return self.wait(seen.time_s)
        self._seen_s = seen.time_s
        if self._is_other(seen, pose, seen.landmarks):
            return self.progress
        if self._course is None or self._solid is None:
            self._look_ahead(seen.image, seen.landmarks, pose, seen.embedding)
        elif self._lights is not None:
            self._light(self._lights, seen, pose)
        else:
            self._solid.take(seen.image, seen.landmarks, pose)
            self._go_on(self._course, seen, pose)
        return self.wait(seen.time_s)

    def wait(self, time_s: float) -> Progress:
        """Tell the time, where no frame comes or none with a face.

        Args:
            time_s: Now.
        """
        since = self._since
        if self.progress.is_over or since is None:
            return self.progress
        if self._state == "holding":
            if time_s - since >= self.settings.hold_s:
                self._judge()
            return self.progress
        if self._seen_s is not None and time_s - self._seen_s > self.settings.away_s:
            return self._reject("no-face", f"no face was seen for {self.settings.away_s:g} s")
        if self._lights is not None:
            return self._ended_by(self._lights.late(time_s))
        if self._course is not None:
            return self._ended_by(self._course.late(time_s))
        if time_s - since > (limit := self.challenge.movement_s):
            return self._reject("too-slow", f"the look straight ahead took more than {limit:g} s")
        return self.progress

    def end(self) -> Progress:
        """No more frames will come: a session that is not through is rejected."""
        if self._state == "holding":
            self._judge()
        elif not self.progress.is_over:
            total = len(self.challenge.movements)
            done = self.progress.done
            self._reject("ended", f"the frames ended after {done} of {total} movements")
        return self.progress

    def _is_other(self, seen: Seen, pose: HeadPose, landmarks: npt.NDArray[np.float32]) -> bool:
        centre = landmarks.astype(np.float64).mean(axis=0)
        if wrong := self._person.went_on(seen.time_s, pose, centre):
            self._reject("jumped", wrong)
        elif seen.embedding is not None and (
            wrong := self._person.alike(seen.embedding.vectors[0])
        ):
            self._reject("other-person", wrong)
        return self.progress.is_over

    def _go_on(self, course: Course, seen: Seen, pose: HeadPose) -> None:
        time_s = seen.time_s
        if (
            self._ended_by(course.take(time_s, pose, seen.image)).is_over
            or self._state == "holding"
        ):
            return
        if not course.is_done:
            self._state = "resting" if course.asked is None else "moving"
        elif self.challenge.lights:
            asked, wanted = self.challenge, self.settings.lights
            self._lights = LightFinder(asked.lights, asked.lights_s, time_s, wanted)
            self._state = "lit"
        else:
            self._state, self._since = "holding", time_s

    def _light(self, lights: LightFinder, seen: Seen, pose: HeadPose) -> None:
        if self._ended_by(lights.take(seen.time_s, seen.image, pose)).is_over:
            return
        if lights.shown is None and self._state == "lit":
            self._state, self._since = "holding", seen.time_s

    def _look_ahead(
        self,
        image: Image,
        landmarks: npt.NDArray[np.float32],
        pose: HeadPose,
        face: Embeddings,
    ) -> None:
        angles = (pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
        if max(map(abs, angles)) > self.settings.neutral_deg:
            self._neutral = []
            return
        if not self._neutral or self._face is None:
            self._face = lay_flat(image, landmarks, pose)
        self._neutral.append((pose, face))
        if len(self._neutral) == self.settings.neutral_frames:
            first = smoothed([pose for pose, _ in self._neutral])
            finder = MovementFinder(first, self.settings.movements)
            self._course = Course(self.challenge, finder, self._time_s, self.settings.react_s)
            self._solid = SolidFinder(first, self._face, self.settings.solid)
            self._person.begin(_mean([face for _, face in self._neutral]))
            self._state = "moving" if self._course.asked is not None else "resting"

    def _judge(self) -> None:
        n_frames, least = self._repeats.n_frames, self.settings.least_frames
        lacking = "" if self._solid is None else self._solid.lacking
        if n_frames < least:
            self._reject("ended", f"{n_frames} frames are too few to judge, {least} are needed")
        elif lacking:
            self._reject("flat", lacking)
        else:
            self._state = "accepted"

    def _ended_by(self, reason: Reason | None) -> Progress:
        if reason is not None:
            self._state, self._reasons = "rejected", (reason,)
        return self.progress

    def _reject(self, code: ReasonCode, text: str) -> Progress:
        return self._ended_by(Reason(code, text))


def _pose(seen: Seen) -> HeadPose | None:
    if seen.landmarks is None:
        return None
    try:
        return head_pose(seen.landmarks)
    except InputError:  # landmarks of what is hardly a face: as if there were none
        return None


def _mean(faces: Sequence[Embeddings]) -> npt.NDArray[np.float32]:
    total = np.sum([face.vectors[0] for face in faces], axis=0, dtype=np.float64)
    return np.asarray(total / np.linalg.norm(total), np.float32)
