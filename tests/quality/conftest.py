"""Two public-domain portraits with hand-checked landmarks, and ways to spoil them."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from vultus.alignment.align import align_faces
from vultus.core.faces import Faces, Image
from vultus.quality.measures import FaceQuality, measure_quality

LANDMARKS = {
    "hopper": (
        (177.4, 123.4, 355.7, 335.7),
        ((224.3, 197.3), (306.8, 195.6), (265.4, 238.9), (229.8, 274.0), (304.4, 272.3)),
    ),
    "collins": (
        (178.1, 65.0, 269.5, 176.4),
        ((203.4, 103.6), (247.5, 104.4), (224.1, 127.7), (204.0, 143.1), (242.9, 143.7)),
    ),
}


@dataclass(frozen=True)
class Portrait:
    """A photo with its one face; every method gives a changed copy."""

    image: Image
    faces: Faces

    def quality(self) -> FaceQuality:
        return measure_quality(self.image, self.faces, align_faces(self.image, self.faces))

    def resized(self, scale: float) -> "Portrait":
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = cv2.resize(self.image, None, fx=scale, fy=scale, interpolation=method)
        points = ((self.faces.landmarks + 0.5) * scale - 0.5).astype(np.float32)
        boxes = (self.faces.boxes * scale).astype(np.float32)
        return Portrait(np.asarray(image, np.uint8), Faces(boxes, points, self.faces.scores))

    def with_gain(self, gain: float) -> "Portrait":
        changed = np.clip(np.rint(self.image * float(gain)), 0, 255)
        return replace(self, image=changed.astype(np.uint8))

    def blurred(self, share_of_eye_distance: float) -> "Portrait":
        sigma_px = share_of_eye_distance * float(self.faces.inter_eye_distances[0])
        return replace(self, image=np.asarray(cv2.GaussianBlur(self.image, (0, 0), sigma_px)))

    def with_bar_over_eyes(self) -> "Portrait":
        right, left = self.faces.landmarks[0, :2].tolist()
        reach = float(self.faces.inter_eye_distances[0])
        first = (int(right[0] - 0.5 * reach), int(right[1] - 0.25 * reach))
        second = (int(left[0] + 0.5 * reach), int(left[1] + 0.25 * reach))
        image = cv2.rectangle(self.image.copy(), first, second, (8, 8, 8), -1)
        return replace(self, image=np.asarray(image, np.uint8))

    def with_mask(self, colour: tuple[int, int, int]) -> "Portrait":
        nose_x, nose_y = self.faces.landmarks[0, 2].tolist()
        reach = float(self.faces.inter_eye_distances[0])
        sides = [(-0.95, 0.0), (0, -0.3), (0.95, 0), (0.8, 0.9), (0.35, 1.3), (-0.35, 1.3)]
        sides.append((-0.8, 0.9))
        outline = np.array([(nose_x + x * reach, nose_y + y * reach) for x, y in sides])
        image = cv2.fillPoly(self.image.copy(), [outline.astype(np.int32)], colour)
        return replace(self, image=np.asarray(image, np.uint8))

    def with_half_hidden(self) -> "Portrait":
        image = self.image.copy()
        image[:, int(self.faces.landmarks[0, 2, 0]) :] = (40, 80, 130)
        return replace(self, image=image)

    def cut_below(self, row: int) -> "Portrait":
        return replace(self, image=self.image[:row])


@pytest.fixture(params=list(LANDMARKS))
def portrait(request: pytest.FixtureRequest) -> Portrait:
    image: Image = request.getfixturevalue(request.param)
    box, points = LANDMARKS[request.param]
    ones = np.ones(1, np.float32)
    return Portrait(image, Faces(np.array([box], np.float32), np.array([points], np.float32), ones))
