"""Faces followed through a video, without asking who they are: boxes and landmarks per track."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vultus.detection.base import Detector
from vultus.video.frame import Frame
from vultus.video.looking import Looker, LookSettings
from vultus.video.tracking.byte_tracker import ByteTracker, TrackerSettings
from vultus.video.tracking.cuts import CutFinder
from vultus.video.tracking.track import Track


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """A frame with the faces in it.

    Attributes:
        frame: The frame.
        tracks: The faces that are followed; ``motion.box`` is where each is reckoned to be now,
            ``box`` and ``landmarks`` are where it was seen last, at ``seen_s``.
        seen: Those of them that were seen in this very frame.
        ended: Tracks that ended, most as they were not seen for a while.
        was_cut: Whether the film was cut before this frame, which ended all tracks.
    """

    frame: Frame
    tracks: tuple[Track, ...]
    seen: tuple[Track, ...]
    ended: tuple[Track, ...]
    was_cut: bool


class Follower:
    """Follows faces from frame to frame.

    Args:
        detector: Finds faces.
        look: How often is looked for faces.
        tracker: How they are followed.
        frame_s: The usual time between two frames in seconds.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        look: LookSettings | None = None,
        tracker: TrackerSettings | None = None,
        frame_s: float = 1 / 25,
    ) -> None:
        self.tracker = ByteTracker(tracker)
        self.looker = Looker(detector, look, frame_s=frame_s)
        self._cuts = CutFinder()

    def take(self, frame: Frame) -> Followed:
        """Take in the next frame."""
        tracker, now_s = self.tracker, frame.time_s
        was_cut = self._cuts.is_cut(frame.image)
        ended = tracker.end_all() if was_cut else []
        for track in tracker.tracks:
            track.reckoned(now_s)
        look = self.looker.look(frame.image, now_s, tracker.tracks)
        if look is not None:
            ended += tracker.update(look.faces, now_s, looked_for=look.looked_for)
        tracks = tuple(track for track in tracker.tracks if track.state == "tracked")
        seen = tuple(track for track in tracks if look is not None and track.seen_s == now_s)
        return Followed(frame, tracks, seen, tuple(ended), was_cut)

    def pass_over(self, frame: Frame) -> None:
        """A frame that was taken in before; the next may begin another scene."""
        self._cuts.look(frame.image)

    @property
    def is_quiet(self) -> bool:
        """Whether no face is followed, seen or lost."""
        return not self.tracker.tracks

    def to_dict(self) -> dict[str, Any]:
        """Where it stands while `is_quiet`, fit for JSON."""
        return {"begun": self.tracker.begun, "look": self.looker.to_dict()}

    def restore(self, values: dict[str, Any]) -> None:
        """Go on where `to_dict` stood."""
        self.tracker = ByteTracker(self.tracker.settings, begun=values["begun"])
        self.looker.restore(values["look"])


def follow(
    frames: Iterable[Frame],
    detector: Detector,
    *,
    look: LookSettings | None = None,
    tracker: TrackerSettings | None = None,
    frame_s: float = 1 / 25,
) -> Iterator[Followed]:
    """Follow the faces of a video.

    Args:
        frames: Of the video, as `vultus.video.sources.base.Source.frames` gives them.
        detector: Finds faces.
        look: How often is looked for faces; ``LookSettings(search_s=0)`` searches every frame.
        tracker: How they are followed.
        frame_s: The usual time between two frames in seconds.

    Yields:
        Each frame with its faces.
    """
    follower = Follower(detector, look=look, tracker=tracker, frame_s=frame_s)
    for frame in frames:
        yield follower.take(frame)
