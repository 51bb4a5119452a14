import numpy as np
import pytest

from vultus.data.damage import find_damage

LANDMARKS = np.array([[40, 50], [76, 50], [58, 70], [43, 90], [73, 90]], np.float32)
IMAGE = np.random.default_rng(0).integers(60, 200, (140, 120, 3), np.uint8)


def done(name: str, strength: float) -> np.ndarray:
    return find_damage(name)(
        IMAGE, LANDMARKS, strength=strength, generator=np.random.default_rng(0)
    )


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_a_dark_photo_has_that_share_of_the_light(share: float) -> None:
    assert done("dark", share).mean() == pytest.approx(IMAGE.mean() * share, abs=1)


def test_a_negative_undoes_itself() -> None:
    np.testing.assert_array_equal(255 - done("negative", 1), IMAGE)


def test_fog_leaves_that_share_of_the_contrast() -> None:
    assert done("washed-out", 0.1).std() == pytest.approx(IMAGE.std() * 0.1, abs=0.5)


def test_one_half_keeps_its_light() -> None:
    made = done("half-lit", 0.05).astype(float) / IMAGE
    halves = sorted([made[:, :40].mean(), made[:, 80:].mean()])
    assert halves == pytest.approx([0.05, 1], abs=0.05)


def test_a_cast_keeps_one_channel() -> None:
    kept = [(done("cast", 0.25)[..., c] == IMAGE[..., c]).all() for c in range(3)]
    assert kept.count(True) == 1
