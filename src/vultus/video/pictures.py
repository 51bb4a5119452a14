"""Pictures of who passed, for their events; only where they are asked for."""

import dataclasses
from collections.abc import Container, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image
from vultus.gallery.events.event import NewEvent
from vultus.image.encode import encoded
from vultus.video.drawing import cut_out
from vultus.video.passages.passage import Passage
from vultus.video.passages.shots import Shot

_LONGEST_PX = 192
_TYPES = ("recognised", "unknown")


class Pictures:
    """The best shot of each passage as a small picture, held until its events are written."""

    def __init__(self) -> None:
        self._best: dict[int, tuple[float, Image]] = {}

    def look(
        self, passage: Passage, shot: Shot, image: Image, box: npt.NDArray[np.float32]
    ) -> None:
        """Keep a shot if it is the best of its passage.

        A shot that could not be judged, or that is of somebody else, is no shot of the passage.

        Args:
            passage: Which has taken the shot in.
            shot: The shot.
            image: (h, w, 3) uint8, RGB: the frame.
            box: (4,) of the face in it, ``x1 y1 x2 y2`` in pixels.
        """
        known = self._best.get(passage.number)
        is_of_it = any(shot is one for one in passage.best)
        if is_of_it and (known is None or shot.quality > known[0]):
            self._best[passage.number] = shot.quality, _small(cut_out(image, box))

    def added(self, events: Sequence[NewEvent]) -> list[NewEvent]:
        """The events, those that say who somebody is with a picture."""
        return [self._with_picture(event) for event in events]

    def forget_but(self, numbers: Container[int]) -> None:
        """Keep only those of passages that go on, by their numbers."""
        self._best = {n: best for n, best in self._best.items() if n in numbers}

    def _with_picture(self, event: NewEvent) -> NewEvent:
        best = self._best.get(event.data.get("track", -1))
        if event.type not in _TYPES or best is None:
            return event
        return dataclasses.replace(event, picture=encoded(best[1], ".jpg", quality=85))


def _small(image: Image) -> Image:
    scale = _LONGEST_PX / max(image.shape[:2])
    if scale >= 1:
        return image
    size = [max(1, round(scale * side)) for side in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
