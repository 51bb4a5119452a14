import io

import numpy as np
import pytest
from PIL import Image as PilImage
from scipy import ndimage

from vultus.core.faces import Image
from vultus.data.augmentation import Blur, Jpeg, LowResolution, MotionBlur, Noise


def texture(side: int = 64) -> Image:
    return np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)


def test_blur_is_the_gaussian_of_scipy() -> None:
    blurred = Blur(sigma_px=(1.5, 1.5))(texture(), np.random.default_rng(0))
    expected = ndimage.gaussian_filter(texture().astype(float), (1.5, 1.5, 0), mode="mirror")
    assert np.abs(blurred - expected).max() < 1.5


@pytest.mark.parametrize("length_px", [1.0, 4.0, 9.0])
def test_motion_blur_spreads_a_point_along_a_line_of_that_length(length_px: float) -> None:
    point = np.zeros((31, 31, 3), np.uint8)
    point[15, 15] = 255
    angles = []
    for seed in range(60):
        spread = MotionBlur(length_px=(length_px, length_px))(point, np.random.default_rng(seed))
        weight = spread[..., 0].astype(float)
        assert abs(weight.sum() - 255) < 12
        y, x = np.mgrid[-15:16, -15:16]
        assert abs((weight * x).sum()) < 0.15 * weight.sum()
        moments = np.cov(np.stack([x.ravel(), y.ravel()]), aweights=weight.ravel(), bias=True)
        values, vectors = np.linalg.eigh(moments)
        # The variance of an even spread over a length, plus that of its pixels.
        assert values[1] == pytest.approx(length_px**2 / 12, abs=0.25 + 0.15 * length_px)
        assert values[0] < 0.35
        angles.append(np.arctan2(vectors[1, 1], vectors[0, 1]) % np.pi)
    if length_px > 1:
        assert np.histogram(angles, bins=4, range=(0, np.pi))[0].min() > 5


def test_low_resolution_keeps_flat_colours_and_loses_texture() -> None:
    flat = np.full((64, 64, 3), (200, 30, 90), np.uint8)
    for seed in range(30):
        degraded = LowResolution(scale=(0.25, 0.25))
        np.testing.assert_array_equal(degraded(flat, np.random.default_rng(seed)), flat)
        rough = degraded(texture(), np.random.default_rng(seed)).astype(float)
        # 16 x 16 points carry at most that many dimensions a channel.
        values = np.linalg.svd(rough[..., 0] - rough[..., 0].mean(), compute_uv=False)
        assert (values[17:] ** 2).sum() < 0.02 * (values**2).sum()


def smooth() -> Image:
    blurred = ndimage.gaussian_filter(texture().astype(float), (3, 3, 0))
    return np.asarray(np.clip((blurred - 127) * 6 + 127, 0, 255), np.uint8)


def test_jpeg_is_what_pillow_decodes_at_the_same_quality() -> None:
    compressed = Jpeg(quality=(60, 60))(smooth(), np.random.default_rng(0)).astype(int)
    buffer = io.BytesIO()
    PilImage.fromarray(smooth()).save(buffer, "JPEG", quality=60)
    expected = np.asarray(PilImage.open(buffer)).astype(int)
    assert np.abs(compressed - expected).mean() < 1.0
    assert np.abs(compressed - smooth()).mean() > 1.0


def test_lower_quality_loses_more() -> None:
    losses = []
    for quality in (95, 60, 20):
        compressed = Jpeg(quality=(quality, quality))(smooth(), np.random.default_rng(0))
        losses.append(np.abs(compressed.astype(int) - smooth()).mean())
    assert losses == sorted(losses)
    assert losses[0] < losses[2] / 2


def test_noise_has_the_normal_distributions_moments() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = Noise(sigma=(10, 10))(grey, np.random.default_rng(0)).astype(float) - 128
    assert abs(noise.mean()) < 0.15
    assert noise.std() == pytest.approx(10, abs=0.2)
    share_within = np.mean(np.abs(noise) <= 10)
    assert share_within == pytest.approx(0.6827, abs=0.03)
    correlation = np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]
    assert abs(correlation) < 0.02


def test_noise_saturates_instead_of_wrapping() -> None:
    for value in (0, 255):
        flat = np.full((50, 50, 3), value, np.uint8)
        noisy = Noise(sigma=(20, 20))(flat, np.random.default_rng(0)).astype(int)
        assert np.abs(noisy - value).max() < 70
