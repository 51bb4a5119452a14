"""Where a film was cut: from there on faces are others'."""

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image

_SIZE_WH = (32, 24)
_LEAST_ALIKE = 0.5
_FLAT = 2.0


class CutFinder:
    """Says whether a frame shows another scene than the one before.

    Small grey pictures of the two are compared by their correlation, which light that goes on or
    off does not touch; below 0.5 it is a cut, unless it was as low before (a shaken camera).

    Attributes:
        alike: The last correlation, in [-1, 1].
    """

    def __init__(self) -> None:
        self.alike = 1.0
        self._before: npt.NDArray[np.float32] | None = None

    def is_cut(self, image: Image) -> bool:
        """Whether this frame begins another scene.

        Args:
            image: (h, w, 3) uint8, RGB.
        """
        small = _small(image)
        before, self._before = self._before, small
        if before is None:
            return False
        was, self.alike = self.alike, _correlation(before, small)
        return self.alike < _LEAST_ALIKE <= was

    def look(self, image: Image) -> None:
        """Take a frame for the one before the next, without an answer."""
        self._before = _small(image)


def _small(image: Image) -> npt.NDArray[np.float32]:
    # Every n-th pixel first: averaging all of them would cost as much as following a face.
    step = max(1, min(image.shape[0] // 96, image.shape[1] // 128))
    part = cv2.resize(image[::step, ::step], _SIZE_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(part.astype(np.float32).mean(axis=2))


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    spread_a, spread_b = float(a.std()), float(b.std())
    if spread_a < _FLAT or spread_b < _FLAT:  # an empty picture is like any other empty one
        return 1.0 if max(spread_a, spread_b) < _FLAT else 0.0
    return float(((a - a.mean()) * (b - b.mean())).mean() / (spread_a * spread_b))
