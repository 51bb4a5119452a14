import cv2
import numpy as np
import pytest

from vultus.data.damage import find_damage

LANDMARKS = np.array([[40, 50], [76, 50], [58, 70], [43, 90], [73, 90]], np.float32)
IMAGE = np.full((140, 120, 3), 120, np.uint8)
_GRAIN = np.random.default_rng(0).integers(0, 255, (140, 120, 3), np.uint8)
SMOOTH = cv2.GaussianBlur(_GRAIN, (0, 0), 2)


def done(name: str, image: np.ndarray, strength: float) -> np.ndarray:
    return find_damage(name)(
        image, LANDMARKS, strength=strength, generator=np.random.default_rng(0)
    )


@pytest.mark.parametrize(
    ("name", "strength", "spread"),
    [("noise", 25, 25), ("grey-noise", 25, 25), ("speckle", 0.2, 24)],
)
def test_noise_has_the_spread_that_was_asked_for(name: str, strength: float, spread: float) -> None:
    assert done(name, IMAGE, strength).astype(float).std() == pytest.approx(spread, rel=0.1)


def test_grey_noise_is_grey() -> None:
    made = done("grey-noise", IMAGE, 25)
    assert (made[..., 0] == made[..., 1]).all()


@pytest.mark.parametrize(
    ("name", "strength", "levels"),
    [("dither", 1, 2), ("ordered-dither", 2, 2), ("threshold", 1, 2), ("posterise", 2, 2)],
)
def test_few_levels_are_left(name: str, strength: float, levels: int) -> None:
    assert len(np.unique(done(name, SMOOTH, strength))) == levels


def test_salt_and_pepper_hit_the_stated_share() -> None:
    made = done("salt-pepper", IMAGE, 0.2)[..., 0]
    assert (made != 120).mean() == pytest.approx(0.2, abs=0.02)


def test_a_stronger_blur_leaves_less_detail_and_grows_with_the_face() -> None:
    sharp = np.random.default_rng(1).integers(0, 255, (140, 120, 3), np.uint8)
    spreads = [done("blur", sharp, s)[40:100, 40:80].std() for s in (2, 3, 4.5)]
    assert spreads == sorted(spreads, reverse=True)
    generator = np.random.default_rng(0)
    larger = find_damage("blur")(sharp, 2 * LANDMARKS, strength=2, generator=generator)
    assert larger[40:100, 40:80].std() < spreads[0]


def test_a_small_photo_has_so_many_pixels_between_the_eyes() -> None:
    assert done("small", IMAGE, 9).shape[:2] == (35, 30)
    assert done("coarse", IMAGE, 9).shape == IMAGE.shape
