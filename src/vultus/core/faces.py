"""What a detector finds in one image."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import InputError
from vultus.core.rows import Rows, freeze_arrays

Image = npt.NDArray[np.uint8]
"""An image: (h, w, 3) uint8, RGB."""

LANDMARK_NAMES = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")
"""The five landmarks in order. Right and left are the person's own: the right eye comes first; in a
frontal photo it lies on the image's left."""


@dataclass(frozen=True, slots=True, eq=False)
class Faces(Rows):
    """The faces of one image, best first by whatever order the detector gives.

    Attributes:
        boxes: (n, 4) float32, ``x1 y1 x2 y2`` in pixels; may reach over the image's edge.
        landmarks: (n, 5, 2) float32, ``x y`` in pixels, in the order of `LANDMARK_NAMES`.
        scores: (n,) float32 in [0, 1]; how sure the detector is that this is a face.

    Raises:
        InputError: If dtypes or shapes do not match, or a value is not finite.
    """

    boxes: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        check_array("boxes", self.boxes, dtype=np.float32, shape=("n", 4))
        n = len(self.boxes)
        check_array("landmarks", self.landmarks, dtype=np.float32, shape=(n, 5, 2))
        check_array("scores", self.scores, dtype=np.float32, shape=(n,))
        freeze_arrays(self)

    @classmethod
    def empty(cls) -> "Faces":
        """No face at all (never ``None``)."""
        return cls(
            np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32)
        )

    def cut_to(self, size_hw: tuple[float, float]) -> "Faces":
        """The same faces with boxes that end at the photo's edges, as far as one sees them.

        Sizes and places of faces are compared so: a detector may guess a box of which most lies
        outside, and what nobody sees makes a face neither large nor central.

        Args:
            size_hw: The photo's height and width in pixels; ``inf`` where nobody knows them.
        """
        height, width = size_hw
        edges = np.array([width, height, width, height], np.float32)
        return replace(self, boxes=np.clip(self.boxes, np.float32(0), edges))

    @property
    def areas(self) -> npt.NDArray[np.float32]:
        """(n,) float32: box areas in square pixels, parts outside the photo counted (`cut_to`)."""
        sides = np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0)
        return np.asarray(sides[:, 0] * sides[:, 1], np.float32)

    @property
    def inter_eye_distances(self) -> npt.NDArray[np.float32]:
        """(n,) float32: distance between the eye landmarks in pixels."""
        return np.asarray(
            np.linalg.norm(self.landmarks[:, 0] - self.landmarks[:, 1], axis=1), np.float32
        )

    def largest(self) -> int:
        """Index of the face with the largest box, parts outside the photo counted (`cut_to`).

        Raises:
            InputError: If there is no face.
        """
        if not len(self):
            raise InputError("there is no face to choose the largest of")
        return int(np.argmax(self.areas))

    def to_dicts(self) -> list[dict[str, Any]]:
        """One plain dict per face (``box_xyxy``, ``score``, ``landmarks`` by name) for JSON."""
        return [
            {
                "box_xyxy": [round(float(v), 2) for v in box],
                "score": round(float(score), 4),
                "landmarks": {
                    name: [round(float(v), 2) for v in point]
                    for name, point in zip(LANDMARK_NAMES, points, strict=True)
                },
            }
            for box, points, score in zip(self.boxes, self.landmarks, self.scores, strict=True)
        ]
