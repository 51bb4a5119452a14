"""Where to look for faces in a frame: everywhere now and then, near known faces in between."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vultus.core.checks import check_range
from vultus.core.faces import Faces, Image
from vultus.detection.base import Detector
from vultus.video.tracking.motion import overlaps
from vultus.video.tracking.track import Track


@dataclass(frozen=True, slots=True)
class LookSettings:
    """How often is looked for faces; a detector takes far longer than all the rest.

    Attributes:
        search_s: The whole frame is searched at least so often, in seconds: a new face is found so
            late at most. 0 searches every frame.
        follow_s: In between is looked near each known face, so often. Where that would cost as
            much as a search, the frame is searched.
        region: How many times the face's size is the region that is looked at.
    """

    search_s: float = 0.4
    follow_s: float = 0.1
    region: float = 2.0

    def __post_init__(self) -> None:
        check_range("search_s", self.search_s, low=0)
        check_range("follow_s", self.follow_s, low=0)
        check_range("region", self.region, low=1.2, high=10)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was found in a frame.

    Attributes:
        faces: The faces.
        looked_for: Numbers of the tracks near which was looked; None if everywhere.
    """

    faces: Faces
    looked_for: tuple[int, ...] | None


class Looker:
    """Looks for faces as often as it pays.

    Args:
        detector: Finds faces.
        settings: How often.
        frame_s: The usual time between two frames in seconds.

    Attributes:
        n_searches: Frames that were searched.
        n_regions: Regions that were looked at.
    """

    def __init__(
        self, detector: Detector, settings: LookSettings | None = None, *, frame_s: float = 1 / 25
    ) -> None:
        self.settings = LookSettings() if settings is None else settings
        self.n_searches = self.n_regions = 0
        self._detector = detector
        # A look that falls due between two frames is made at the nearer one.
        self._early_s = frame_s / 2
        self._searched_s: float | None = None
        self._followed_s = 0.0

    def look(self, image: Image, time_s: float, tracks: Sequence[Track]) -> Look | None:
        """Look, if it is time to.

        Args:
            image: (h, w, 3) uint8, RGB.
            time_s: When.
            tracks: The known faces, reckoned to this time.

        Returns:
            What was found; None where nobody looked.
        """
        if self._is_due(self._searched_s, self.settings.search_s, time_s):
            return self._search(image, time_s)
        near = [t for t in tracks if t.state != "lost" or time_s - t.seen_s <= _STILL_NEAR_S]
        if not near or not self._is_due(self._followed_s, self.settings.follow_s, time_s):
            return None
        regions = [_region(track, image, self.settings.region) for track in near]
        pixels = sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in regions)
        if len(near) > _MOST_REGIONS or pixels > _WORTH * image.shape[0] * image.shape[1]:
            return self._search(image, time_s)
        self._followed_s = time_s
        return self._follow(image, near, regions)

    def to_dict(self) -> dict[str, Any]:
        """When was looked last, fit for JSON."""
        return {"searched_s": self._searched_s, "followed_s": self._followed_s}

    def restore(self, values: dict[str, Any]) -> None:
        """Go on where `to_dict` stood."""
        self._searched_s, self._followed_s = values["searched_s"], values["followed_s"]

    def _is_due(self, last_s: float | None, every_s: float, time_s: float) -> bool:
        return last_s is None or time_s - last_s >= every_s - self._early_s - 1e-6

    def _search(self, image: Image, time_s: float) -> Look:
        self._searched_s = self._followed_s = time_s
        self.n_searches += 1
        return Look(self._detector.detect(image), None)

    def _follow(
        self, image: Image, tracks: Sequence[Track], regions: Sequence[tuple[int, int, int, int]]
    ) -> Look:
        found: list[Faces] = []
        for track, (x1, y1, x2, y2) in zip(tracks, regions, strict=True):
            self.n_regions += 1
            seen = self._detector.detect(np.ascontiguousarray(image[y1:y2, x1:x2]))
            moved = _moved(seen, x1, y1)
            # What else is there has its own region, or is cut off by the edge of this one.
            alike = overlaps(track.motion.box, moved.boxes)[0] if len(moved) else np.zeros(0)
            if len(moved) and alike.max() > 0:
                best = int(np.argmax(alike))
                found.append(moved[best : best + 1])
        faces = _distinct(Faces.concatenate(found)) if found else Faces.empty()
        return Look(faces, tuple(track.number for track in tracks))


_STILL_NEAR_S = 0.3
_MOST_REGIONS = 4
_WORTH = 0.5
"""Regions of so much of the frame cost as much as the frame."""
_LEAST_REGION_PX = 64


def _region(track: Track, image: Image, times: float) -> tuple[int, int, int, int]:
    """``x1 y1 x2 y2`` in whole pixels, inside the image, not empty."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = track.motion.box
    half = max(times * max(x2 - x1, y2 - y1), _LEAST_REGION_PX) / 2
    centre_x = min(max((x1 + x2) / 2, 0), width - 1)
    centre_y = min(max((y1 + y2) / 2, 0), height - 1)
    return (
        max(0, int(centre_x - half)),
        max(0, int(centre_y - half)),
        min(width, int(centre_x + half) + 1),
        min(height, int(centre_y + half) + 1),
    )


def _moved(faces: Faces, x: int, y: int) -> Faces:
    by = np.array([x, y], np.float32)
    boxes = faces.boxes + np.concatenate([by, by])
    return replace(faces, boxes=boxes, landmarks=faces.landmarks + by)


def _distinct(faces: Faces) -> Faces:
    """Each face once, though two regions may have shown it."""
    alike = overlaps(faces.boxes, faces.boxes)
    kept: list[int] = []
    for row in np.argsort(-faces.scores, kind="stable").tolist():
        if all(alike[row, other] <= 0.5 for other in kept):
            kept.append(row)
    return faces[np.array(sorted(kept))]
