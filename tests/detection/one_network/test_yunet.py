"""YuNet with a real network, against OpenCV's own decoding of it."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from vultus.core.faces import Image
from vultus.detection.one_network.yunet import open_yunet

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def mirror() -> Path:
    folder = os.environ.get("VULTUS_MODELS_MIRROR")
    if not folder:
        pytest.skip("needs a folder with yunet_n_dynamic.onnx in VULTUS_MODELS_MIRROR")
    return Path(folder)


def test_equals_opencvs_detector(mirror: Path, collins: Image) -> None:
    path = mirror / "yunet_n_dynamic.onnx"
    opencv = cv2.FaceDetectorYN.create(str(path), "", collins.shape[1::-1], 0.6, 0.3)
    _, expected = opencv.detect(np.ascontiguousarray(collins[..., ::-1]))
    faces = open_yunet(model=path, border=0, threads=1).detect(collins)
    assert len(faces) == len(expected) == 1
    x, y, width, height = expected[0, :4]
    np.testing.assert_allclose(faces.boxes[0], [x, y, x + width, y + height], atol=1e-2)
    np.testing.assert_allclose(faces.landmarks[0].ravel(), expected[0, 4:14], atol=1e-2)
    assert faces.scores[0] == pytest.approx(expected[0, 14], abs=1e-4)


@pytest.mark.parametrize("name", ["yunet_n_dynamic.onnx", "yunet_n_320_320.onnx"])
def test_both_layouts_find_the_face(mirror: Path, name: str, hopper: Image) -> None:
    detector = open_yunet(model=mirror / name, threads=1)
    alone, together = detector.detect(hopper), detector.detect_batch([hopper, hopper])
    assert len(alone) == 1
    for faces in together:
        np.testing.assert_allclose(faces.boxes, alone.boxes, atol=1e-3)
    assert abs(alone.landmarks[0, 2] - [268, 238]).max() < 12  # the nose


def test_both_runtimes_find_the_same(mirror: Path, collins: Image) -> None:
    path = mirror / "yunet_n_dynamic.onnx"
    a, b = (
        open_yunet(model=path, threads=1, runtime="onnxruntime").detect(collins),
        open_yunet(model=path, threads=1, runtime="openvino").detect(collins),
    )
    np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-2)
