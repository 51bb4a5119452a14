import numpy as np
import pytest

from vultus.data.damage import find_damage

LANDMARKS = np.array([[120, 130], [160, 130], [140, 155], [124, 175], [156, 175]], np.float32)
CENTRE_X, CENTRE_Y = 140, 153


def ramp(axis: int) -> np.ndarray:
    """A photo whose light says where a pixel came from along one axis."""
    steps = np.linspace(0, 255, 280).astype(np.uint8)
    plane = np.tile(steps, (280, 1))
    return np.repeat((plane if axis == 1 else plane.T)[..., None], 3, axis=2).copy()


def done(name: str, image: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    return find_damage(name)(
        image, LANDMARKS, strength=strength, generator=np.random.default_rng(seed)
    )


@pytest.mark.parametrize(("name", "axis"), [("profile", 1), ("nod", 0)])
def test_a_turned_head_shows_another_part_in_its_middle_and_leaves_the_photo(
    name: str, axis: int
) -> None:
    image = ramp(axis)
    moved = [
        float(np.abs(done(name, image, angle)[CENTRE_Y, CENTRE_X, 0].astype(int) - 140))
        for angle in (10, 35, 60)
    ]
    assert moved[0] < moved[1] < moved[2]
    turned = np.moveaxis(done(name, image, 50), axis, 0)
    np.testing.assert_array_equal(turned[:20], np.moveaxis(image, axis, 0)[:20])
    sides = {int(done(name, image, 40, seed)[CENTRE_Y, CENTRE_X, 0]) for seed in range(8)}
    assert len(sides) == 2


@pytest.mark.parametrize("name", ["bulge", "barrel", "warp", "columns", "ripples"])
def test_bends_move_more_the_stronger_they_are_and_keep_the_size(name: str) -> None:
    image = ramp(1) if name != "columns" else ramp(0)
    moved = [
        np.abs(done(name, image, strength).astype(int) - image).mean() for strength in (0.05, 0.2)
    ]
    assert 0 < moved[0] < moved[1]
    assert done(name, image, 0.2).shape == image.shape
