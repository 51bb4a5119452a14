"""A video driven as an active liveness session."""

from collections.abc import Iterable, Iterator

import numpy as np

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.liveness.session.challenge import Challenge
from vultus.liveness.session.session import LivenessSession, SessionSettings
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.session_look import look
from vultus.video.frame import Frame

Region = tuple[int, int, int, int]
"""``x1 y1 x2 y2`` in pixels: the part of each frame that is looked at."""


def parse_region(text: str) -> Region:
    """A region as a text gives it, ``x1,y1,x2,y2``.

    Raises:
        InputError: If it is none.
    """
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"a region must be X1,Y1,X2,Y2 in whole pixels, got {text!a}")
    x1, y1, x2, y2 = (int(part) for part in parts)
    return x1, y1, x2, y2


def run_session(
    frames: Iterable[Frame],
    recognizer: Analyser,
    challenge: Challenge,
    *,
    settings: SessionSettings | None = None,
    region_xyxy: Region | None = None,
) -> LivenessSession:
    """Drive the frames of a video through a session until it is over.

    The film does not know what is asked: it is accepted if its movements happen to be those of the
    challenge in their order. With it a site measures what passes, on films of its own attacks.

    Args:
        frames: Of the video, as `vultus.video.sources.base.Source.frames` gives them.
        recognizer: Whose detector and embedder look.
        challenge: What is asked.
        settings: How it is judged.
        region_xyxy: The part of each frame that is looked at; None is all of it.

    Returns:
        The session at its end.

    Raises:
        InputError: If the region is not inside of the frames.
    """
    session = LivenessSession(challenge, settings)
    for frame in _cut(frames, region_xyxy):
        seen = look(recognizer, frame.image, time_s=frame.time_s)
        if session.take(seen).is_over:
            break
    session.end()
    return session


def _cut(frames: Iterable[Frame], region: Region | None) -> Iterator[Frame]:
    for frame in frames:
        if region is None:
            yield frame
        else:
            image = _part(frame.image, region)
            yield Frame(frame.number, frame.time_s, image, frame.dropped)


def _part(image: Image, region: Region) -> Image:
    x1, y1, x2, y2 = region
    height, width = image.shape[:2]
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise InputError(
            f"the region must lie inside of the frames, {width} x {height} pixels, got "
            f"{x1},{y1},{x2},{y2}"
        )
    return np.ascontiguousarray(image[y1:y2, x1:x2])
