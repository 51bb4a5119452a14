"""ByteTrack (Zhang et al. 2022, arXiv:2110.06864) on the boxes of faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.faces import Faces
from vultus.video.tracking.assignment import assign
from vultus.video.tracking.motion import Motion, overlaps
from vultus.video.tracking.track import Track

Indices = list[int]


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How faces are followed; the defaults are the paper's, but for times in seconds.

    Attributes:
        high_score: Detections from this score on are matched first, in (0, 1).
        low_score: Those below are not looked at.
        new_score: From this score on a detection that fits nowhere begins a track.
        first_overlap: Least overlap (area in common over area of both) times score in the first
            match.
        second_overlap: Least overlap of the others, in the second.
        tentative_overlap: Least overlap times score for a track that was seen once.
        keep_lost_s: A track that was not seen for longer ends, in seconds.
        n_confirming: A track counts from so many sightings on.
    """

    high_score: float = 0.6
    low_score: float = 0.1
    new_score: float = 0.7
    first_overlap: float = 0.2
    second_overlap: float = 0.5
    tentative_overlap: float = 0.3
    keep_lost_s: float = 1.0
    n_confirming: int = 2

    def __post_init__(self) -> None:
        for name in ("high_score", "low_score", "new_score"):
            check_range(name, getattr(self, name), low=0, high=1)
        for name in ("first_overlap", "second_overlap", "tentative_overlap"):
            check_range(name, getattr(self, name), low=0, high=1)
        check_range("keep_lost_s", self.keep_lost_s, low=0)
        check_positive_int("n_confirming", self.n_confirming)


class ByteTracker:
    """Follows faces from frame to frame.

    Two matches a frame: sure detections with all tracks, by overlap with where each is reckoned to
    be; then the unsure ones with the tracks that are left, so that a face that is half covered for
    a while stays the same.

    Args:
        settings: How.
        begun: Tracks begun so far; the next has a higher number.

    Attributes:
        tracks: Those alive, also tentative and lost ones, by their numbers.
        begun: Tracks begun so far.
    """

    def __init__(self, settings: TrackerSettings | None = None, *, begun: int = 0) -> None:
        self.settings = TrackerSettings() if settings is None else settings
        self.tracks: list[Track] = []
        self.begun = begun

    def update(
        self, faces: Faces, time_s: float, *, looked_for: Sequence[int] | None = None
    ) -> list[Track]:
        """Take in what was found in a frame.

        Args:
            faces: What was found.
            time_s: When, later than before.
            looked_for: Numbers of the tracks near which was looked; the others are not missed.
                None if the whole frame was searched.

        Returns:
            The tracks that ended, but for tentative ones, which never were.
        """
        for track in self.tracks:
            track.reckoned(time_s)
            track.is_doubtful = False
        rules, scores = self.settings, faces.scores
        high = np.flatnonzero(scores >= rules.high_score).tolist()
        low = np.flatnonzero((scores >= rules.low_score) & (scores < rules.high_score)).tolist()
        known = [t for t in self.tracks if t.state != "tentative"]
        known, high = self._matched(known, faces, high, rules.first_overlap, time_s)
        tracked = [t for t in known if t.state == "tracked"]
        self._matched(tracked, faces, low, rules.second_overlap, time_s, by_score=False)
        tentative = [t for t in self.tracks if t.state == "tentative"]
        tentative, high = self._matched(tentative, faces, high, rules.tentative_overlap, time_s)
        looked = None if looked_for is None else set(looked_for)
        self._miss(time_s, looked)
        for place in high:
            if scores[place] >= rules.new_score:
                self._begin(faces, place, time_s)
        self._doubt_neighbours()
        return self._ended(time_s)

    def end_all(self) -> list[Track]:
        """End every track, as a cut in the film does; those that had counted."""
        ended = [track for track in self.tracks if track.state != "tentative"]
        self.tracks = []
        return ended

    def renumbered(self, track: Track) -> int:
        """Give a track a new number: it goes on as somebody else's. The number it had."""
        was, self.begun = track.number, self.begun + 1
        track.number = self.begun
        return was

    def to_dict(self) -> dict[str, Any]:
        """Where it stands, fit for JSON, without loss."""
        return {"begun": self.begun, "tracks": [track.to_dict() for track in self.tracks]}

    def restore(self, values: dict[str, Any]) -> None:
        """Go on where `to_dict` stood."""
        self.begun = values["begun"]
        self.tracks = [Track.from_dict(track) for track in values["tracks"]]

    def _matched(
        self,
        tracks: list[Track],
        faces: Faces,
        places: Indices,
        least: float,
        time_s: float,
        *,
        by_score: bool = True,
    ) -> tuple[list[Track], Indices]:
        """Match, and take in the pairs; gives the tracks and places that are left."""
        if not tracks or not places:
            return tracks, places
        alike = overlaps([t.motion.box for t in tracks], faces.boxes[places])
        if by_score:
            alike = alike * faces.scores[places].astype(np.float64)
        pairs = assign(1 - alike, limit=1 - least)
        for row, column in pairs:
            self._seen(tracks[row], faces, places[column], time_s)
        rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
        left = [track for row, track in enumerate(tracks) if row not in rows]
        return left, [place for column, place in enumerate(places) if column not in columns]

    def _seen(self, track: Track, faces: Faces, place: int, time_s: float) -> None:
        box = faces.boxes[place]
        leapt = overlaps(track.motion.box, box)[0, 0] < self.settings.second_overlap
        track.is_doubtful = track.state == "lost" or bool(leapt)
        track.motion = track.motion.corrected(box)
        track.box, track.landmarks = box, faces.landmarks[place]
        track.score = float(faces.scores[place])
        track.seen_s, track.n_seen = time_s, track.n_seen + 1
        if track.n_seen >= self.settings.n_confirming:
            track.state = "tracked"

    def _miss(self, time_s: float, looked_for: set[int] | None) -> None:
        def is_missed(track: Track) -> bool:
            return track.seen_s < time_s and (looked_for is None or track.number in looked_for)

        self.tracks = [t for t in self.tracks if not (t.state == "tentative" and is_missed(t))]
        for track in filter(is_missed, self.tracks):
            track.state = "lost"

    def _begin(self, faces: Faces, place: int, time_s: float) -> None:
        self.begun += 1
        box = faces.boxes[place]
        state = "tracked" if self.settings.n_confirming == 1 else "tentative"
        self.tracks.append(
            Track(
                number=self.begun,
                state=state,  # type: ignore[arg-type]
                motion=Motion.begun(box),
                start_s=time_s,
                seen_s=time_s,
                reckoned_s=time_s,
                n_seen=1,
                box=box,
                landmarks=faces.landmarks[place],
                score=float(faces.scores[place]),
            )
        )

    def _doubt_neighbours(self) -> None:
        boxes = [track.motion.box for track in self.tracks]
        if len(boxes) < 2:
            return
        met = overlaps(boxes, boxes)
        np.fill_diagonal(met, 0)
        for track, others in zip(self.tracks, met, strict=True):
            track.is_doubtful |= bool(others.max() > _MEETING)

    def _ended(self, time_s: float) -> list[Track]:
        def is_over(track: Track) -> bool:
            return time_s - track.seen_s > self.settings.keep_lost_s + 1e-9

        ended = [track for track in self.tracks if is_over(track)]
        self.tracks = [track for track in self.tracks if not is_over(track)]
        return [track for track in ended if track.state != "tentative"]


_MEETING = 0.1
"""Faces whose boxes overlap by more may be taken for each other."""


def boxes_of(tracks: Sequence[Track]) -> npt.NDArray[np.float32]:
    """(n, 4) float32: where tracks are reckoned to be."""
    if not tracks:
        return np.zeros((0, 4), np.float32)
    return np.array([track.motion.box for track in tracks], np.float32)
