"""How the frames of a video lie, found once and undone in all of them."""

from collections.abc import Iterable

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.photos import AS_STORED, Righting
from vultus.pipeline.righting import SequenceReader
from vultus.video.frame import Frame

_APART_S = 0.3
_LONGEST_S = 20.0
_MOST_FRAMES = 40


def how_it_lies(analyser: Analyser, frames: Iterable[Frame]) -> Righting:
    """How a video must be righted, by its first frames with faces.

    Args:
        analyser: Finds and judges faces.
        frames: From the video's beginning; 20 s of them are looked at, at most.

    Returns:
        As stored where nobody can say better.
    """
    reader = analyser.reader()
    if reader is None:
        return AS_STORED
    sequence, last_s = SequenceReader(reader, agreeing=2, tried=4), -_APART_S
    for looked, frame in enumerate(frames):
        if frame.time_s > _LONGEST_S or looked > _MOST_FRAMES * 25:
            break
        if frame.time_s - last_s < _APART_S:
            continue
        last_s = frame.time_s
        sequence.read(frame.image)
        if sequence.decided is not None:
            return sequence.decided
    return AS_STORED


def righted(image: Image, righting: Righting) -> Image:
    """A frame as it should be.

    Args:
        image: (h, w, 3) uint8, RGB, as stored.
        righting: How it lies.
    """
    if righting.turned_deg:
        image = np.ascontiguousarray(np.rot90(image, righting.turned_deg // 90))
    if righting.width != 1:
        height, width = image.shape[:2]
        size = (max(1, round(width / righting.width)), height)
        image = np.asarray(cv2.resize(image, size), np.uint8)
    return image


def upright(frame: Frame, righting: Righting, *, shift_s: float = 0.0) -> Frame:
    """A frame as it should be, at its own time or later.

    Args:
        frame: As the source gives it.
        righting: How it lies.
        shift_s: What to add to its time, in seconds.
    """
    if righting == AS_STORED and not shift_s:
        return frame
    image = righted(frame.image, righting)
    return Frame(frame.number, frame.time_s + shift_s, image, frame.dropped)
