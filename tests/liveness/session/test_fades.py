import numpy as np
import numpy.typing as npt
import pytest
from tests.liveness.session.heads import landmarks, picture

from vultus.core.faces import Image
from vultus.liveness.session.fades import faded_part, is_fade, view
from vultus.liveness.session.head_pose import head_pose

FIRST = head_pose(landmarks())
PARTS = (0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1)


def _views(images: list[Image]) -> list[npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    noisy = [one + rng.normal(0, 3, one.shape) for one in images]
    return [view(np.clip(one, 0, 255).astype(np.uint8), FIRST) for one in noisy]


def _mixed(before: Image, after: Image, part: float) -> Image:
    return np.asarray((1 - part) * before + part * after, np.uint8)


@pytest.mark.parametrize("angles", [(20, 0, 0), (0, 12, 0), (0, 0, 20)])
def test_a_head_that_turns_is_no_fade(angles: tuple[float, float, float]) -> None:
    images = [picture(*(part * angle for angle in angles)) for part in PARTS]
    assert not is_fade(_views(images))
    assert faded_part(_views(images)) > 0.25


@pytest.mark.parametrize("angles", [(20, 0, 0), (0, 12, 0), (0, 0, 20)])
def test_pictures_that_are_faded_into_each_other(angles: tuple[float, float, float]) -> None:
    ends = picture(), picture(*angles)
    assert is_fade(_views([_mixed(*ends, part) for part in PARTS]))
    assert is_fade(_views([_mixed(*ends, part) for part in (0, 0, 0.5, 1, 1)]))


def test_light_that_changes_is_no_fade() -> None:
    images = [np.asarray(gain * picture(), np.uint8) for gain in (1, 1, 0.8, 0.6, 0.4, 0.4)]
    assert faded_part(_views(images)) == 1


def test_where_nothing_lies_between() -> None:
    assert faded_part(_views([picture(), picture(20)])) == 1
    assert faded_part(_views([picture(), picture(), picture(20), picture(20)])) == 1
    assert faded_part([np.zeros((64, 64), np.uint8)] * 4) == 1


def test_a_view_at_the_border_of_the_frame() -> None:
    assert view(picture()[100:180, 100:180], FIRST).shape == (64, 64)
