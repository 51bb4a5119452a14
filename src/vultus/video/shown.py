"""What who looks on is shown of a watched source."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from vultus.core.results import Identification
from vultus.video.frame import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One face in view, for who looks on.

    Attributes:
        number: Of its track.
        box: (4,) float32: where it is reckoned to be, ``x1 y1 x2 y2`` in pixels.
        landmarks: (5, 2) float32: where they were last seen.
        identity: Who it is, or None.
        answer: The decision so far; None before the first.
        start_s: When it was first seen.
        reasons: Why it cannot be judged; empty where it can.
    """

    number: int
    box: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    identity: str | None
    answer: Identification | None
    start_s: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody enrolled who is here: in view, or not away for longer than the window.

    Attributes:
        person: `Person.uid`.
        since: When first seen, UTC.
        last: When last seen.
        similarity: The highest similarity of a passage.
        threshold: Of that passage.
        in_view: Whether a passage of theirs goes on.
    """

    person: str
    since: datetime
    last: datetime
    similarity: float
    threshold: float
    in_view: bool


@dataclass(slots=True)
class WatchCounts:
    """What watching took.

    Attributes:
        frames: Frames taken in.
        dropped: Frames that a live source passed over.
        searches: Frames that were searched for faces.
        regions: Regions about known faces that were looked at.
        shots: Faces that were embedded.
        passages: Faces that came and went.
        seconds: By the clock.
        events: Type -> how many were written.
    """

    frames: int = 0
    dropped: int = 0
    searches: int = 0
    regions: int = 0
    shots: int = 0
    passages: int = 0
    seconds: float = 0.0
    events: Counter[str] = field(default_factory=Counter)


OnFrame = Callable[[Frame, list[Shown], WatchCounts], None]
"""Told each frame with the faces in it, after what it brought was written."""
