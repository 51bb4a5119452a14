import cv2
import numpy as np
import pytest

from vultus.data.damage import find_damage

LANDMARKS = np.array([[120, 130], [160, 130], [140, 155], [124, 175], [156, 175]], np.float32)
SIDE = 280


def done(name: str, image: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    return find_damage(name)(
        image, LANDMARKS, strength=strength, generator=np.random.default_rng(seed)
    )


def test_skin_is_smoothed_and_edges_stay() -> None:
    image = np.full((SIDE, SIDE, 3), 90, np.uint8)
    image[:, SIDE // 2 :] = 210
    pores = np.random.default_rng(0).integers(-12, 13, image.shape)
    image = (image + pores).astype(np.uint8)
    out = done("smoothed", image, 2)
    assert out[:, 20:120].std() < 0.4 * image[:, 20:120].std()
    step = out[:, SIDE // 2 + 2].astype(int) - out[:, SIDE // 2 - 3]
    assert abs(step.mean() - 120) < 6


@pytest.mark.parametrize("strength", [0.05, 0.14])
def test_fringes_move_red_and_blue_apart_and_leave_green(strength: float) -> None:
    grain = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    image = np.asarray(cv2.GaussianBlur(grain, (0, 0), 1.5), np.uint8)
    out = done("fringes", image, strength)
    np.testing.assert_array_equal(out[..., 1], image[..., 1])
    inner = slice(20, -20)
    moves = [
        cv2.phaseCorrelate(
            image[inner, inner, channel].astype(np.float64),
            out[inner, inner, channel].astype(np.float64),
        )[0]
        for channel in (0, 2)
    ]
    np.testing.assert_allclose(moves[0], -np.array(moves[1]), atol=0.5)
    assert abs(float(np.linalg.norm(moves[0])) - 40 * strength) < 0.6
