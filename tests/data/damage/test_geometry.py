import numpy as np
import pytest

from vultus.data.damage import find_damage
from vultus.data.damage.geometry import turned

LANDMARKS = np.array([[40, 50], [76, 50], [58, 70], [43, 90], [73, 90]], np.float32)


def done(name: str, image: np.ndarray, strength: float) -> np.ndarray:
    return find_damage(name)(
        image, LANDMARKS, strength=strength, generator=np.random.default_rng(0)
    )


def test_turns_are_clockwise() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 0] = 255  # the upper left corner goes to the upper right one
    assert done("turn-90", image, 1)[0, 3, 0] == 255
    assert done("turn-180", image, 1)[3, 5, 0] == 255
    assert done("turn-270", image, 1)[5, 0, 0] == 255
    np.testing.assert_array_equal(turned(turned(image, 1), 3), image)


@pytest.mark.parametrize(
    ("name", "size"), [("stretch-wide", (140, 180)), ("stretch-tall", (210, 120))]
)
def test_a_stretch_keeps_the_other_side(name: str, size: tuple[int, int]) -> None:
    assert done(name, np.zeros((140, 120, 3), np.uint8), 1.5).shape[:2] == size


def test_a_cut_ends_inside_the_face() -> None:
    image = np.zeros((150, 120, 3), np.uint8)
    sizes = {
        find_damage("cut")(
            image, LANDMARKS, strength=0.45, generator=np.random.default_rng(seed)
        ).shape[:2]
        for seed in range(20)
    }
    assert len(sizes) == 4
    assert all(size != (150, 120) for size in sizes)


def test_a_lens_leaves_what_is_far_from_the_face() -> None:
    image = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    made = done("lens", image, 1.0)
    np.testing.assert_array_equal(made[200:, 200:], image[200:, 200:])
    assert (made[60:80, 50:65] != image[60:80, 50:65]).any()
