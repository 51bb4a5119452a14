"""One face through the frames."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vultus.core.faces import Faces
from vultus.video.tracking.motion import Motion

TrackState = Literal["tentative", "tracked", "lost"]


@dataclass(slots=True, eq=False)
class Track:
    """One face through the frames, as far as it was followed.

    Attributes:
        number: By which it is known; ascending, never used twice in a video.
        state: ``tentative`` until it was seen often enough, ``lost`` while it is not found.
        motion: Where it was last reckoned to be.
        start_s: When it was first seen.
        seen_s: When it was last seen.
        reckoned_s: Of when ``motion`` is.
        n_seen: In how many frames it was seen.
        box: (4,) float32: where it was last seen, ``x1 y1 x2 y2`` in pixels.
        landmarks: (5, 2) float32: likewise.
        score: Likewise, how sure the detector was.
        is_doubtful: It may have been taken for another: it had been lost, met another face, or
            leapt.
    """

    number: int
    state: TrackState
    motion: Motion
    start_s: float
    seen_s: float
    reckoned_s: float
    n_seen: int
    box: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    score: float
    is_doubtful: bool = False

    @property
    def faces(self) -> Faces:
        """The face as it was last seen, alone."""
        return Faces(self.box[None], self.landmarks[None], np.array([self.score], np.float32))

    def reckoned(self, time_s: float) -> None:
        """Reckon where it is at a time, without having looked."""
        if time_s > self.reckoned_s:
            self.motion = self.motion.after(time_s - self.reckoned_s)
            self.reckoned_s = time_s

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON, without loss."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return plain | {
            "motion": self.motion.to_dict(),
            "box": self.box.tolist(),
            "landmarks": self.landmarks.tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Track":
        """What `to_dict` told."""
        arrays = {name: np.array(values[name], np.float32) for name in ("box", "landmarks")}
        return cls(**(values | arrays | {"motion": Motion.from_dict(values["motion"])}))
