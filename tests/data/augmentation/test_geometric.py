import numpy as np
import pytest

from vultus.alignment.align import similarity_transforms
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation import Affine, Crop, Stretch
from vultus.data.augmentation.geometric import aligned_scales
from vultus.data.paint import landmark_template


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


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.0, 1.35, 1.8])
def test_a_stretched_face_is_scaled_as_alignment_scales_it(factor: float) -> None:
    points = landmark_template("arcface-112").points
    stretched = (points * (factor, 1)).astype(np.float32)
    found = similarity_transforms(stretched[None], points)[0]
    ((along_x, along_y),) = aligned_scales(points, np.array([factor]))
    assert factor * found[0, 0] == pytest.approx(along_x, rel=1e-3)
    assert found[1, 1] == pytest.approx(along_y, rel=1e-3)


@pytest.mark.parametrize(("factor", "wider"), [(1.6, True), (0.625, False)])
def test_a_stretch_moves_the_eyes_apart_or_together_about_the_landmarks_middle(
    factor: float, wider: bool
) -> None:
    step = Stretch(factor=(factor, factor))
    moved = step(ramp(112, 112), np.random.default_rng(0)).astype(float)
    x, y = landmark_template("arcface-112").points.mean(axis=0)
    middle = moved[round(y), round(x), :2]
    np.testing.assert_allclose(middle, [round(x), round(y)], atol=1.01)
    across = float(moved[round(y), round(x) + 20, 0] - middle[0])
    down = float(moved[round(y) + 20, round(x), 1] - middle[1])
    assert (across < 19) is wider
    assert (down > 21) is wider
    # The same stretch of both: width over height is what was asked for.
    assert down / across == pytest.approx(factor, rel=0.1)


def test_stretches_are_spread_evenly_over_the_logarithm() -> None:
    wider = 0
    for seed in range(200):
        moved = Stretch()(ramp(112, 112), np.random.default_rng(seed)).astype(float)
        wider += moved[72, 76, 0] < 76
    # ln 1.6 of ln 1.6 + ln (1 / 0.6) are stretches to the width.
    assert wider / 200 == pytest.approx(0.479, abs=0.08)


def test_what_a_stretch_brings_from_beyond_the_edge_is_mirrored() -> None:
    image = ramp(112, 112)
    image[..., 2] = 255
    moved = Stretch(factor=(0.3, 0.3))(image, np.random.default_rng(0))
    assert (moved[..., 2] == 255).all()
    row = moved[72, :, 0].astype(int)
    assert row[0] > row[20]
    assert row[-1] < row[-20]


@pytest.mark.parametrize("factor", [(0.1, 1.0), (1.0, 6.0), (1.6, 0.6)])
def test_a_stretch_beyond_measure_is_refused(factor: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="factor"):
        Stretch(factor=factor)
