"""Two portraits as aligned crops, and a detector that knows where their faces are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from vultus.alignment.align import align_faces
from vultus.core.faces import Faces, Image
from vultus.data.paint import landmark_template
from vultus.detection.base import open_detector
from vultus.image.encode import encoded


class Guessing:
    """Finds one face in the middle of every photo, upright and as large as the crop had it."""

    name = "guessing"

    def detect(self, image: Image) -> Faces:
        height, width = image.shape[:2]
        points = (landmark_template("arcface-112").points - 56) * min(height, width) / 188
        landmarks = (points + np.array([width, height]) / 2).astype(np.float32)[None]
        box = np.array([[0, 0, width, height]], np.float32)
        return Faces(box, landmarks, np.ones(1, np.float32))

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        return [self.detect(image) for image in images]


@pytest.fixture(scope="session")
def guessing() -> Guessing:
    return Guessing()


@pytest.fixture(scope="session")
def portraits(tmp_path_factory: pytest.TempPathFactory, hopper: Image, collins: Image) -> Path:
    """Thirty people: the two, mirrored and tinted in fifteen ways."""
    root = tmp_path_factory.mktemp("portraits")
    detector = open_detector("mtcnn", threads=1)
    crops = [align_faces(image, detector.detect(image)).pixels[0] for image in (hopper, collins)]
    for number in range(30):
        generator = np.random.default_rng(number)
        crop = crops[number % 2][:, ::-1] if number % 3 == 0 else crops[number % 2]
        tinted = np.clip(crop * generator.uniform(0.6, 1.2, 3), 0, 255).astype(np.uint8)
        (root / f"p{number:02d}").mkdir()
        (root / f"p{number:02d}" / "1.png").write_bytes(encoded(tinted, ".png"))
    return root
