"""A detector that is sent to other processes."""

import os
import signal
import time
from collections.abc import Sequence

import numpy as np

from vultus.core.faces import Faces, Image

LANDMARKS = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.6], [0.38, 0.78], [0.62, 0.78]])
ENDLESS = 78
"""A photo so many pixels wide is never done with."""
DEADLY = 77
"""A photo so many pixels wide kills the process that looks at it, as a decoder's bug would."""
EMPTY = 8
"""A photo so many pixels wide shows nobody."""


class WholePhoto:
    """Sees one face as large as the photo.

    Args:
        seconds: What a photo takes.
    """

    name = "whole-photo"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def detect(self, image: Image) -> Faces:
        height, width = image.shape[:2]
        if width == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        if width == ENDLESS:
            time.sleep(1e6)
        if width == EMPTY:
            return Faces.empty()
        time.sleep(self.seconds)
        return Faces(
            np.array([[0, 0, width, height]], np.float32),
            (LANDMARKS * [width, height])[None].astype(np.float32),
            np.ones(1, np.float32),
        )

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        return [self.detect(image) for image in images]
