"""Photos by name, read one by one when they are asked for, with what a data set says of each."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, frozen

PhotoFile = Path | bytes
"""A photo's path, or its encoded bytes."""


class Photos(Sequence[PhotoFile]):
    """Photos in order; nothing is held in memory.

    Args:
        names: Name of each, for messages and for stored embeddings; the path below a root where
            there is one.
        read: Gives the photo of a name.
        landmarks: (n, 5, 2) float32 ``x y`` in pixels of the photo, in the order of
            `vultus.core.faces.LANDMARK_NAMES`: each photo is aligned with these, and nothing is
            detected. None where the data set gives none.
        boxes: (n, 4) float32 ``x1 y1 x2 y2`` in pixels of the photo: of the faces that are found
            the one here is meant. A row of NaN says nothing, and so does None.

    Attributes:
        names: As given.
        landmarks: As given.
        boxes: As given.

    Raises:
        InputError: If shapes or dtypes do not match.
    """

    def __init__(
        self,
        names: Sequence[str],
        read: Callable[[str], PhotoFile],
        *,
        landmarks: npt.NDArray[np.float32] | None = None,
        boxes: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.names = names
        self._read = read
        if landmarks is not None:
            check_array("landmarks", landmarks, dtype=np.float32, shape=(len(names), 5, 2))
            landmarks = frozen(landmarks)
        if boxes is not None:
            check_array("boxes", boxes, dtype=np.float32, shape=(len(names), 4), finite=False)
            boxes = frozen(boxes)
        self.landmarks = landmarks
        self.boxes = boxes

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> PhotoFile: ...

    @overload
    def __getitem__(self, index: slice) -> "Photos": ...

    def __getitem__(self, index: int | slice) -> "PhotoFile | Photos":
        if not isinstance(index, slice):
            return self._read(self.names[index])
        return Photos(
            self.names[index],
            self._read,
            landmarks=None if self.landmarks is None else self.landmarks[index],
            boxes=None if self.boxes is None else self.boxes[index],
        )

    def take(self, places: npt.NDArray[np.int64]) -> "Photos":
        """Some of the photos, in the order of ``places`` (n,) int64."""
        return Photos(
            [self.names[place] for place in places.tolist()],
            self._read,
            landmarks=None if self.landmarks is None else self.landmarks[places],
            boxes=None if self.boxes is None else self.boxes[places],
        )
