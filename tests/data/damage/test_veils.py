import numpy as np
import pytest

from vultus.data.damage import find_damage

LANDMARKS = np.array([[60, 65], [80, 65], [70, 78], [62, 88], [78, 88]], np.float32)
GREY = np.full((140, 140, 3), 120, np.uint8)


def done(name: str, image: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    return find_damage(name)(
        image, LANDMARKS, strength=strength, generator=np.random.default_rng(seed)
    )


@pytest.mark.parametrize("name", ["pattern", "reflection", "mixed-colours"])
def test_the_harder_the_more_is_changed(name: str) -> None:
    for seed in range(8):
        changes = [
            np.abs(done(name, GREY, strength, seed).astype(int) - GREY).mean()
            for strength in (0.1, 0.5)
        ]
        assert changes[0] <= changes[1]
    assert changes[1] > 2


def test_a_pattern_hides_no_more_than_its_share() -> None:
    for seed in range(8):
        out = done("pattern", GREY, 0.5, seed).astype(float)
        assert out.min() >= 59
        assert out.max() <= 188


def test_channels_that_are_swapped_keep_their_values() -> None:
    image = np.random.default_rng(0).integers(60, 200, (140, 140, 3)).astype(np.uint8)
    swapped = [done("mixed-colours", image, 1.0, seed).astype(int) for seed in range(12)]
    steps = [
        {int(np.ptp(out[..., new] - image[..., old])) for new in range(3) for old in range(3)}
        for out in swapped
    ]
    assert any(0 in found for found in steps)  # a channel that another stands in, lifted
    assert any(0 not in found for found in steps)


def test_a_curve_keeps_the_order_of_greys() -> None:
    ramp = np.repeat(np.tile(np.arange(0, 250, 2, dtype=np.uint8), (125, 1))[..., None], 3, axis=2)
    for seed in range(8):
        out = done("curve", ramp.copy(), 1.1, seed)[60, :, 0].astype(int)
        assert (np.diff(out) >= 0).all()


def test_drops_move_the_face_alone() -> None:
    image = np.random.default_rng(0).integers(0, 255, (140, 140, 3)).astype(np.uint8)
    moved = (done("drops", image, 0.9) != image).any(axis=2)
    assert moved.mean() > 0.05
    assert not moved[:25].any()
    assert not moved[:, :25].any()
