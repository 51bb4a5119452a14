"""The crop around a face, against the rule written out once more in whole numbers."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.liveness.context_crop import context_crop


def naive(image: np.ndarray, box: list[float], times: float, size: int) -> np.ndarray:
    """The published rule, word by word and in fractions: x, y, width, height; edge by edge."""
    src_h, src_w = image.shape[:2]
    x, y, x2, y2 = map(Fraction, box)
    box_w, box_h = x2 - x, y2 - y
    scale = min((src_h - 1) / box_h, min((src_w - 1) / box_w, Fraction(times)))
    new_w, new_h = box_w * scale, box_h * scale
    centre_x, centre_y = box_w / 2 + x, box_h / 2 + y
    left, top = centre_x - new_w / 2, centre_y - new_h / 2
    right, bottom = centre_x + new_w / 2, centre_y + new_h / 2
    if left < 0:
        right -= left
        left = Fraction(0)
    if top < 0:
        bottom -= top
        top = Fraction(0)
    if right > src_w - 1:
        left -= right - src_w + 1
        right = Fraction(src_w - 1)
    if bottom > src_h - 1:
        top -= bottom - src_h + 1
        bottom = Fraction(src_h - 1)
    cut = image[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
    return cv2.resize(cut, (size, size))


def test_the_crop_is_that_of_the_published_rule_wherever_the_face_is() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (120, 160, 3), np.uint8)
    for _ in range(300):
        x1, y1 = rng.uniform(0, 120), rng.uniform(0, 90)
        box = [x1, y1, x1 + rng.uniform(8, 60), y1 + rng.uniform(8, 60)]
        if (box[0] + box[2]) / 2 >= 160 or (box[1] + box[3]) / 2 >= 120:
            continue
        times = float(rng.choice([1.0, 2.7, 4.0]))
        crop = context_crop(image, np.array(box), times=times, size_px=80)
        expected = naive(image, box, times, 80)
        np.testing.assert_array_equal(crop.pixels, expected)
        assert crop.times <= times


def test_less_room_than_asked_is_said() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    crop = context_crop(image, np.array([20.0, 20, 80, 80]), times=2.7, size_px=80)
    assert crop.times == pytest.approx(99 / 60)
    assert crop.scaling == pytest.approx(0.8)


@pytest.mark.parametrize(
    "box", [[10, 10, 10, 20], [10, 20, 20, 10], [90, 10, 120, 20], [-40, 10, 20, 20]]
)
def test_a_box_without_area_or_outside_is_refused(box: list[float]) -> None:
    with pytest.raises(InputError, match="must have an area and its middle in the photo"):
        context_crop(np.zeros((100, 100, 3), np.uint8), np.array(box), times=2.7, size_px=80)
