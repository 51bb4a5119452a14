"""What a monitor sees now, for who looks on; nothing of it is stored."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.image.encode import encoded
from vultus.video.drawing import drawn
from vultus.video.frame import Frame
from vultus.video.shown import Presence, Shown

_FPS_OVER_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """The newest frame.

    Attributes:
        number: Ascending with each frame that was looked at.
        frame: The frame.
        shown: The faces in it.
        present: Who is here.
        at: When it was looked at, UTC.
    """

    number: int
    frame: Frame
    shown: Sequence[Shown]
    present: Sequence[Presence]
    at: datetime


class Sights:
    """The newest frame of a monitor; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Sight | None = None
        self._number = 0
        self._times: deque[float] = deque(maxlen=1000)

    def show(self, frame: Frame, shown: Sequence[Shown], present: Sequence[Presence]) -> None:
        """Take the next; the one before is let go."""
        with self._lock:
            self._number += 1
            self._newest = Sight(self._number, frame, shown, present, datetime.now(UTC))
            self._times.append(time.monotonic())

    def clear(self) -> None:
        """See nothing any more."""
        with self._lock:
            self._newest = None
            self._times.clear()

    @property
    def newest(self) -> Sight | None:
        """The newest frame; None where there is none."""
        with self._lock:
            return self._newest

    def fps(self) -> float:
        """Frames looked at a second, over the last seconds."""
        now = time.monotonic()
        with self._lock:
            last = [at for at in self._times if now - at <= _FPS_OVER_S]
        if len(last) < 2:
            return 0.0
        # From the first of them until now: who stands still gets slower.
        return len(last) / max(now - last[0], 1e-3)


def picture(sight: Sight, *, longest: int, marked: bool) -> bytes:
    """The frame as a JPEG.

    Args:
        sight: The frame.
        longest: Pixels of its longer side, at most.
        marked: Whether boxes and names are drawn.
    """
    scale = scale_of(sight.frame.image, longest)
    image = sight.frame.image
    if scale < 1:
        size = [max(1, round(scale * side)) for side in image.shape[1::-1]]
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    if marked:
        # Drawn after it was made smaller, so that names can be read.
        faces = [
            replace(
                face, box=face.box * np.float32(scale), landmarks=face.landmarks * np.float32(scale)
            )
            for face in sight.shown
        ]
        image = drawn(image, faces)
    return encoded(image, ".jpg")


def scale_of(image: Image, longest: int) -> float:
    """How much smaller a picture is made, at most 1."""
    return min(1.0, longest / float(max(image.shape[:2])))
