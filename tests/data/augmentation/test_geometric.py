import numpy as np
import pytest

from vultus.core.faces import Image
from vultus.data.augmentation import Affine, Crop


def ramp(height: int = 100, width: int = 100) -> Image:
    """Red grows with x, green with y, blue is 255: a pixel tells where it came from."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[..., 0] = np.arange(width)[None, :]
    image[..., 1] = np.arange(height)[:, None]
    return image


def test_a_black_crop_leaves_the_kept_part_where_it_is() -> None:
    image = ramp()
    for seed in range(30):
        cropped = Crop(side=(0.5, 0.8), outside="black")(image, np.random.default_rng(seed))
        kept = cropped[..., 2] == 255
        np.testing.assert_array_equal(cropped[kept], image[kept])
        assert not cropped[~kept].any()
        rows, columns = kept.any(axis=1).sum(), kept.any(axis=0).sum()
        assert kept.sum() == rows * columns
        assert 50 <= rows <= 80
        assert 50 <= columns <= 80


def test_a_stretched_crop_fills_the_image_with_a_part() -> None:
    for seed in range(30):
        cropped = Crop(side=(0.5, 0.8))(ramp(), np.random.default_rng(seed))
        assert (cropped[..., 2] == 255).all()
        for channel in (0, 1):
            seen = int(cropped[..., channel].max()) - int(cropped[..., channel].min()) + 1
            assert 49 <= seen <= 81


def test_crops_reach_every_corner() -> None:
    starts = {
        tuple(Crop(side=(0.9, 0.9))(ramp(20, 20), np.random.default_rng(seed))[0, 0, :2].tolist())
        for seed in range(200)
    }
    assert starts == {(x, y) for x in range(3) for y in range(3)}


@pytest.mark.parametrize(
    ("settings", "reach"),
    [
        ({"rotation_deg": 10.0, "scale": (1.0, 1.0), "shift": 0.0}, 10.0),
        ({"rotation_deg": 0.0, "scale": (0.8, 1.2), "shift": 0.0}, 0.2),
        ({"rotation_deg": 0.0, "scale": (1.0, 1.0), "shift": 0.05}, 5.0),
    ],
)
def test_affine_moves_points_as_its_settings_say(settings: dict[str, float], reach: float) -> None:
    """Recovers the map from the ramp's colours at the middle, by finite differences."""
    found = []
    for seed in range(300):
        image = 2 * ramp(101, 101)
        moved = Affine(**settings)(image, np.random.default_rng(seed)).astype(float) / 2  # type: ignore[arg-type]
        along_x = (moved[50, 80, :2] - moved[50, 20, :2]) / 60
        if settings["rotation_deg"]:
            found.append(np.degrees(np.arctan2(along_x[1], along_x[0])))
        elif settings["shift"]:
            found.append(50 - moved[50, 50, 0])
        else:
            found.append(1 / along_x[0] - 1)
    assert max(found) == pytest.approx(reach, rel=0.08)
    assert min(found) == pytest.approx(-reach, rel=0.08)
    assert abs(np.mean(found)) < 0.15 * reach


def test_affine_without_jitter_is_the_identity() -> None:
    still = Affine(rotation_deg=0, scale=(1.0, 1.0), shift=0)
    np.testing.assert_array_equal(still(ramp(), np.random.default_rng(0)), ramp())
