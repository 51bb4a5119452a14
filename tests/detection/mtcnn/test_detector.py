import pickle

import cv2
import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.detection.mtcnn.detector import MtcnnDetector
from vultus.detection.mtcnn.detector import _chunks as chunks_of

# What facenet-pytorch 2.6.0 finds in the photo from this column and row on: box, eyes, score.
FACENET_PYTORCH = {
    (0, 0): (
        (174.402, 119.555, 355.648, 340.457),
        ((221.67, 192.21), (309.83, 186.13)),
        0.9998245,
    ),
    (220, 0): (
        (-152.288, 85.685, 98.472, 365.116),
        ((-80.78, 179.75), (45.26, 182.03)),
        0.9939599,
    ),
    (0, 150): (
        (157.976, -108.465, 356.03, 170.821),
        ((219.53, -6.03), (308.85, -9.18)),
        1.0,
    ),
}


def test_a_batch_equals_each_image_alone_to_the_last_bit_but_rounding(
    mtcnn: MtcnnDetector, hopper: Image, collins: Image
) -> None:
    images = [hopper, collins, hopper[::2, ::2], collins[:200, 100:300]]
    for alone, together in zip(
        [mtcnn.detect(image) for image in images], mtcnn.detect_batch(images), strict=True
    ):
        np.testing.assert_allclose(alone.boxes, together.boxes, atol=1e-3)
        np.testing.assert_allclose(alone.landmarks, together.landmarks, atol=1e-3)


def test_many_chunks_on_several_threads_keep_their_order(hopper: Image, collins: Image) -> None:
    detector = MtcnnDetector(min_face_px=60, threads=2)
    images = [hopper, collins, np.zeros((1200, 900, 3), np.uint8)] * 4
    found = detector.detect_batch(images)
    assert [len(faces) for faces in found] == [1, 1, 0] * 4
    for index, faces in enumerate(found):
        np.testing.assert_allclose(faces.boxes, found[index % 3].boxes, atol=1e-3)


def test_chunks_give_every_worker_something_and_bound_memory() -> None:
    def sizes(count: int, *, side: int) -> list[int]:
        image = np.broadcast_to(np.uint8(0), (side, side, 3))
        return [len(chunk) for chunk in chunks_of([image] * count, workers=2)]

    assert sizes(4, side=250) == [4]  # too little to share
    assert sizes(32, side=250) == [16, 16]
    assert sizes(100, side=250) == [25, 25, 25, 25]
    assert sizes(3, side=3000) == [1, 1, 1]


def test_both_runtimes_find_the_same(mtcnn: MtcnnDetector, collins: Image) -> None:
    other = MtcnnDetector(runtime="onnxruntime", threads=1).detect(collins)
    ours = mtcnn.detect(collins)
    assert len(other) == len(ours)
    np.testing.assert_allclose(ours.boxes, other.boxes, atol=1e-2)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (220, 0), (0, 150)])
def test_equals_facenet_pytorch_also_on_faces_cut_by_the_photos_edge(
    mtcnn: MtcnnDetector, hopper: Image, left: int, top: int
) -> None:
    box, eyes, score = FACENET_PYTORCH[left, top]
    faces = mtcnn.detect(hopper[top:, left:])
    assert len(faces) == 1
    np.testing.assert_allclose(faces.boxes[0], box, atol=0.05)
    np.testing.assert_allclose(faces.landmarks[0, :2], eyes, atol=0.05)
    assert faces.scores[0] == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("crop", [(130, 330, 190, 350), (135, 325, 195, 345)])
def test_close_ups_have_their_landmarks_in_the_right_place(
    mtcnn: MtcnnDetector, hopper: Image, crop: tuple[int, int, int, int]
) -> None:
    top, bottom, left, right = crop
    expected = mtcnn.detect(hopper).landmarks[0] - np.array([left, top], np.float32)
    (landmarks,) = mtcnn.detect(hopper[top:bottom, left:right]).landmarks
    assert np.abs(landmarks - expected).max() < 6


def test_a_larger_smallest_face_leaves_out_small_ones(mtcnn: MtcnnDetector, collins: Image) -> None:
    small = np.full((400, 400, 3), 90, np.uint8)
    small[20:148, 20:148] = collins[::4, ::4]
    assert len(mtcnn.detect(small)) == 1
    assert len(MtcnnDetector(min_face_px=60, threads=1).detect(small)) == 0


@pytest.mark.slow
def test_a_large_photo_works_and_shows_a_large_and_a_small_face(
    hopper: Image, collins: Image
) -> None:
    photo = np.full((2400, 8000, 3), 90, np.uint8)
    photo[100:700, 100:612] = hopper
    photo[300:2348, 5000:7048] = np.repeat(np.repeat(collins, 4, 0), 4, 1)
    faces = MtcnnDetector(min_face_px=80, threads=1).detect(photo)
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    for x, y in ((365, 330), (5897, 770)):
        assert np.hypot(*(centres - [x, y]).T).min() < 80


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="min_face_px"):
        MtcnnDetector(min_face_px=2)
    with pytest.raises(InputError, match="thresholds must be 3 numbers"):
        MtcnnDetector(thresholds=(0.6, 0.7))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="thresholds"):
        MtcnnDetector(thresholds=(0.6, 0.7, 1.0))


def test_large_photos_are_searched_for_larger_faces_unless_asked(hopper: Image) -> None:
    portrait = hopper[:560, :480]
    # A face 20 pixels wide in a photo of 2,400 pixels, where a 48th is 50.
    photo = np.full((2400, 2400, 3), 127, np.uint8)
    small = cv2.resize(portrait, (52, 60), interpolation=cv2.INTER_AREA)
    photo[900:960, 900:952] = small
    usual, thorough = MtcnnDetector(threads=1), MtcnnDetector(min_face_px=20, threads=1)
    assert len(usual.detect(photo)) == 0
    assert len(thorough.detect(photo)) == 1
    assert len(usual.detect(photo[700:1100, 700:1100])) == 1


def test_another_process_gets_the_same_detector(hopper: Image) -> None:
    here = MtcnnDetector(min_face_px=60, thresholds=(0.5, 0.6, 0.8), threads=1)
    there: MtcnnDetector = pickle.loads(pickle.dumps(here))
    assert (there.min_face_px, there.thresholds) == (60, (0.5, 0.6, 0.8))
    np.testing.assert_array_equal(there.detect(hopper).boxes, here.detect(hopper).boxes)
