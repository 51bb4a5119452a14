import numpy as np
import pytest
from tests.liveness.session.heads import landmarks, picture

from vultus.liveness.session.head_pose import head_pose
from vultus.liveness.session.surface import depth_shift, lay_flat


def _laid(*angles: float, flat: bool, px: float = 40) -> np.ndarray:
    points = landmarks(*angles, flat=flat, px=px)
    return lay_flat(picture(*angles, flat=flat, px=px), points, head_pose(points))


def _shift_deg(*angles: float, flat: bool, px: float = 40) -> tuple[float, float]:
    shift = depth_shift(_laid(0, 0, 0, flat=flat), _laid(*angles, flat=flat, px=px))
    assert shift is not None
    return float(np.degrees(np.arctan(shift[0]))), float(np.degrees(np.arctan(shift[1])))


TURNS = [((12, 0, 0), 0, 1), ((-12, 0, 0), 0, -1), ((0, 10, 0), 1, 1), ((0, -10, 20), 1, -1)]


@pytest.mark.parametrize(("angles", "axis", "sign"), TURNS)
def test_near_parts_of_a_head_shift(angles: tuple[float, ...], axis: int, sign: int) -> None:
    shift = _shift_deg(*angles, flat=False)
    assert sign * shift[axis] > 3.5
    assert abs(shift[1 - axis]) < abs(shift[axis]) / 2


@pytest.mark.parametrize("angles", [(0, 0, 25), (25, 0, 0), (0, 30, 0), (-35, 10, -15)])
def test_those_of_a_photo_do_not(angles: tuple[float, ...]) -> None:
    assert np.hypot(*_shift_deg(*angles, flat=True)) < 1.5


def test_nor_of_a_photo_that_comes_nearer() -> None:
    assert np.hypot(*_shift_deg(0, 0, 0, flat=True, px=55)) < 1.5


def test_what_cannot_be_followed_says_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2, 128, 128), dtype=np.uint8)
    assert depth_shift(noise[0], noise[1]) is None
