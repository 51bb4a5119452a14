"""What every registered detector must do, whatever its network.

A detector whose model file is not on this machine is skipped.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.errors import InputError, ModelNotFoundError
from vultus.core.faces import Faces, Image
from vultus.detection.base import DETECTORS, Detector


@pytest.fixture(scope="module", params=list(DETECTORS))
def detector(request: pytest.FixtureRequest) -> Detector:
    name = str(request.param)
    settings = {"model": mirrored_yunet()} if name == "yunet" else {}
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VULTUS_OFFLINE", "1")
            return DETECTORS.create(name, threads=1, **settings)
    except ModelNotFoundError as error:
        pytest.skip(f"its model is not here: {error}")


def mirrored_yunet() -> str | Path:
    mirror = os.environ.get("VULTUS_MODELS_MIRROR")
    path = Path(mirror, "yunet_n_dynamic.onnx") if mirror else None
    return path if path is not None and path.is_file() else "yunet-2023mar"


def same(a: Faces, b: Faces) -> None:
    assert len(a) == len(b)
    np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-2)
    np.testing.assert_allclose(a.landmarks, b.landmarks, atol=1e-2)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)


def test_an_empty_list_gives_an_empty_list(detector: Detector) -> None:
    assert detector.detect_batch([]) == []


def test_there_is_no_face_in_noise_nor_in_flat_colour(detector: Detector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    for image in (noise, np.zeros((100, 100, 3), np.uint8), np.full((90, 300, 3), 255, np.uint8)):
        assert len(detector.detect(image)) == 0


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 500), (500, 1), (11, 13)])
def test_images_too_small_for_a_face_have_none(
    detector: Detector, size_hw: tuple[int, int]
) -> None:
    assert len(detector.detect(np.full((*size_hw, 3), 128, np.uint8))) == 0


def test_wrong_arrays_are_refused(detector: Detector) -> None:
    good = np.zeros((40, 40, 3), np.uint8)
    four_channels = np.zeros((4, 4, 4), np.uint8)
    wrong: list[npt.NDArray[Any]] = [good.astype(np.float32), good[..., 0], good[:0], four_channels]
    for bad in wrong:
        with pytest.raises(InputError, match=r"image 0 must be uint8 of shape \(h, w, 3\)"):
            detector.detect(bad)
    with pytest.raises(InputError, match="image 1 must be uint8"):
        detector.detect_batch([good, "photo.jpg"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="must be a list of images"):
        detector.detect_batch(good)  # type: ignore[arg-type]


def test_the_face_is_where_it_is(detector: Detector, hopper: Image) -> None:
    faces = detector.detect(hopper)
    assert len(faces) == 1
    assert 0.7 < faces.scores[0] <= 1
    eyes_and_mouth = np.array([[222, 195], [307, 193], [268, 238], [230, 277], [306, 275]])
    assert np.abs(faces.landmarks[0] - eyes_and_mouth).max() < 15


def test_grey_images_work(detector: Detector, hopper: Image) -> None:
    grey = np.repeat(hopper.mean(axis=2).astype(np.uint8)[..., None], 3, axis=2)
    assert len(detector.detect(grey)) == 1


def test_a_batch_equals_each_image_alone(detector: Detector, hopper: Image, collins: Image) -> None:
    images = [hopper, collins, hopper[:, ::-1], collins[:200, 100:300], hopper[:9, :9], collins]
    for alone, together in zip(
        [detector.detect(image) for image in images], detector.detect_batch(images), strict=True
    ):
        same(alone, together)


def test_views_and_read_only_images_work_and_are_not_changed(
    detector: Detector, hopper: Image
) -> None:
    image = hopper[::1, ::-1][..., ::1].copy()
    image.flags.writeable = False
    before = image.copy()
    same(detector.detect(image), detector.detect(hopper[:, ::-1]))
    assert np.array_equal(image, before)


def test_close_ups_are_found(detector: Detector, hopper: Image, collins: Image) -> None:
    for image in (hopper[130:330, 190:350], collins[75:165, 185:265]):
        for zoom in (1, 4):
            faces = detector.detect(np.repeat(np.repeat(image, zoom, 0), zoom, 1))
            assert len(faces) >= 1
            side = faces.boxes[0, 2:] - faces.boxes[0, :2]
            assert side.max() > 0.8 * max(image.shape[:2]) * zoom
            assert faces.scores[0] == faces.scores.max()


def test_twenty_faces_in_a_collage_are_found(
    detector: Detector, hopper: Image, collins: Image
) -> None:
    portraits = [hopper[60:400:3, 110:410:3], collins[20:220:2, 130:330:2]]
    collage = np.full((4 * 130, 5 * 130, 3), 100, np.uint8)
    for index in range(20):
        portrait = portraits[index % 2][:, :: 1 if index % 3 else -1]
        y, x = 130 * (index // 5) + 8, 130 * (index % 5) + 12
        collage[y : y + portrait.shape[0], x : x + portrait.shape[1]] = portrait
    faces = detector.detect(collage)
    assert np.all(np.diff(faces.scores) <= 0)
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    cells = {(int(x // 130), int(y // 130)) for x, y in centres}
    assert cells == {(column, row) for column in range(5) for row in range(4)}
    assert len(faces) <= 21  # MTCNN takes a part of a uniform for one more
