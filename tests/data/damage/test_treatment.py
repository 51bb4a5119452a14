import cv2
import numpy as np
import pytest

from vultus.data.damage import find_damage

LANDMARKS = np.array([[120, 130], [160, 130], [140, 155], [124, 175], [156, 175]], np.float32)
SIDE = 280


def grain(seed: int = 0) -> np.ndarray:
    """Smooth shades by chance."""
    cells = np.random.default_rng(seed).uniform(40, 210, (20, 20, 3)).astype(np.float32)
    return cv2.resize(cells, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def ramp(axis: int) -> np.ndarray:
    """A photo whose light says where a pixel came from along one axis."""
    steps = np.linspace(0, 255, SIDE).astype(np.uint8)
    plane = np.tile(steps, (SIDE, 1))
    return np.repeat((plane if axis == 1 else plane.T)[..., None], 3, axis=2).copy()


def done(name: str, image: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    return find_damage(name)(
        image, LANDMARKS, strength=strength, generator=np.random.default_rng(seed)
    )


@pytest.mark.parametrize(
    ("name", "mild", "hard"),
    [
        ("power", 1.1, 1.6),
        ("power", 0.9, 0.6),
        ("taper", 0.1, 0.5),
        ("features", 0.1, 0.6),
        ("interlaced", 0.03, 0.16),
        ("frosted", 1, 4),
        ("sharpened", 1, 6),
        ("zoom-blur", 0.03, 0.2),
        ("spotlight", 0.2, 1.2),
        ("relief", 0.5, 1.5),
    ],
)
def test_the_harder_the_more_is_changed_and_the_size_stays(
    name: str, mild: float, hard: float
) -> None:
    image = grain()
    changes = [np.abs(done(name, image, x).astype(int) - image).mean() for x in (mild, hard)]
    if name != "relief":  # which leaves nothing of the light at any strength
        assert 0 < changes[0] < changes[1]
    assert done(name, image, hard).shape == image.shape


def test_a_power_above_one_swells_the_middle_and_below_one_pinches_it() -> None:
    image = ramp(1)
    across = slice(100, 180)
    spread = [float(np.ptp(done("power", image, x)[153, across, 0].astype(int))) for x in (1.7, 1)]
    assert spread[0] < 0.8 * spread[1]  # fewer places of the photo fill the same width
    assert float(np.ptp(done("power", image, 0.6)[153, across, 0].astype(int))) > 1.2 * spread[1]


def test_interlacing_moves_every_other_band_and_leaves_the_rest() -> None:
    image = ramp(1)
    moved = (done("interlaced", image, 0.1) != image).any(axis=(1, 2))
    assert 0.4 < moved.mean() < 0.6
    shift = np.flatnonzero(moved)[0]
    np.testing.assert_array_equal(np.sort(done("interlaced", image, 0.1)[shift, :, 0]),
                                  np.sort(image[shift, :, 0]))  # fmt: skip


def test_a_spotlight_darkens_what_is_far_and_leaves_the_face_s_middle() -> None:
    image = np.full((SIDE, SIDE, 3), 200, np.uint8)
    for seed in range(6):
        lit = done("spotlight", image, 0.9, seed)[..., 0]
        assert lit.max() == 200
        assert lit[0].max() < 30
        assert lit[140:165, 125:155].mean() > 100


def test_frosted_pixels_come_from_near() -> None:
    image = ramp(0)
    moved = np.abs(done("frosted", image, 3).astype(int) - image)[10:-10]
    assert moved.max() <= 3 * 40 / 36 + 1.5
    assert moved.max() >= 2


def test_parts_of_the_face_move_and_the_photo_s_edge_does_not() -> None:
    for seed in range(8):
        moved = np.abs(done("features", grain(), 0.5, seed).astype(int) - grain()).sum(axis=2)
        assert moved[110:200, 100:180].max() > 20
        assert moved[:20].max() == 0


def test_a_relief_has_no_colour_and_is_grey_where_nothing_changes() -> None:
    flat = done("relief", np.full((SIDE, SIDE, 3), (200, 90, 10), np.uint8), 1)
    assert np.unique(flat).tolist() == [128]
    out = done("relief", grain(), 1)
    assert (out[..., 0] == out[..., 2]).all()
