from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from vultus.core.faces import Faces, Image
from vultus.detection.base import Detector, open_detector
from vultus.liveness.session.landmarks import upright_landmarks


@pytest.fixture(scope="module")
def detector() -> Detector:
    return open_detector("mtcnn")


@pytest.mark.parametrize("angle", [-35, 25])
def test_landmarks_of_a_tilted_head_are_those_of_the_upright_one(
    detector: Detector, hopper: Image, angle: float
) -> None:
    height, width = hopper.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turned = np.asarray(cv2.warpAffine(hopper, turn, (width, height)), np.uint8)
    upright = upright_landmarks(hopper, detector.detect(hopper).landmarks[0], detector)
    found = detector.detect(turned).landmarks[0]
    wanted = upright @ turn[:, :2].T + turn[:, 2]
    size = np.linalg.norm(upright[1] - upright[0])
    before = np.linalg.norm(found - wanted, axis=1).max() / size
    after = np.linalg.norm(upright_landmarks(turned, found, detector) - wanted, axis=1).max() / size
    assert after < 0.06
    assert after < before


class _Blind:
    name = "blind"

    def detect(self, image: Image) -> Faces:
        return Faces.empty()

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        return [Faces.empty() for _ in images]


def test_where_no_face_is_seen_again_the_first_look_counts(hopper: Image) -> None:
    points = np.array([[10, 10], [30, 10], [20, 20], [12, 30], [28, 30]], np.float32)
    assert (upright_landmarks(hopper, points, _Blind()) == points).all()
    nowhere = np.zeros((5, 2), np.float32)
    assert (upright_landmarks(hopper, nowhere, _Blind()) == nowhere).all()
