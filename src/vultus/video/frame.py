"""One picture of a video, with when it was."""

from dataclasses import dataclass

from vultus.core.faces import Image


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        number: Its place in the video, from 0; of a live source among those that arrived.
        time_s: Seconds since the video's first frame, ascending.
        image: (h, w, 3) uint8, RGB, upright as the file says that it is to be shown.
        dropped: Frames of a live source that were passed over so far, as newer ones had come.
    """

    number: int
    time_s: float
    image: Image
    dropped: int = 0
