from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from vultus.data.augmentation import Blur, LowResolution, MotionBlur, Noise
from vultus.data.augmentation.on_device import change
from vultus.data.augmentation.resolution import DOWN, UP

Crops = np.ndarray


class PairGenerator(np.random.Generator):
    """Draws these whole numbers in turn, and the middle of every interval."""

    def __init__(self, *numbers: int, share: float = 0.5) -> None:
        super().__init__(np.random.PCG64(0))
        self.numbers, self.share = iter(numbers), share

    def integers(self, *_: object) -> int:  # type: ignore[override]
        return next(self.numbers)

    def uniform(self, low: float, high: float) -> float:  # type: ignore[override]
        return low + self.share * (high - low)


def nearest(rows: Crops, references: Crops) -> tuple[Crops, Crops]:
    """(n,) greatest difference of each row from the reference nearest to it, and which that is."""
    apart = np.stack([np.abs(references - row).max(axis=(1, 2, 3)) for row in rows])
    return apart.min(axis=1), apart.argmin(axis=1)


@pytest.mark.parametrize("sigma_px", [0.4, 1.3, 4.0, 30.0])
def test_blur_is_opencvs(
    sigma_px: float,
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crops, step = make_crops(), Blur(sigma_px=(sigma_px, sigma_px))
    expected = np.stack([step(crop, np.random.default_rng(0)) for crop in crops]).astype(float)
    assert np.abs(batched(step, crops, np.random.default_rng(0)) - expected).max() < 1.5


@pytest.mark.parametrize("size_hw", [(48, 40), (33, 47)])
@pytest.mark.parametrize("scale", [0.15, 0.5, 0.7, 1.0])
def test_low_resolution_is_one_of_opencvs_16_pairs(
    scale: float,
    size_hw: tuple[int, int],
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crop, step = make_crops(1, *size_hw), LowResolution(scale=(scale, scale))
    pairs = [(down, up) for down in range(len(DOWN)) for up in range(len(UP))]
    references = np.stack([step(crop[0], PairGenerator(*pair)) for pair in pairs]).astype(float)
    rows = batched(step, np.repeat(crop, 64, axis=0), np.random.default_rng(0))
    apart, which = nearest(rows, references)
    assert apart.max() < 3  # OpenCV rounds the small image
    different = len(np.unique(references.reshape(16, -1), axis=0))
    assert len(set(which)) > 0.6 * different


def test_every_row_has_a_scale_of_its_own(
    make_crops: Callable[..., Any], batched: Callable[..., Any]
) -> None:
    crops = np.repeat(make_crops(1), 64, axis=0)
    for step in (Blur(), LowResolution(), MotionBlur()):
        changed = batched(step, crops, np.random.default_rng(0))
        assert len({row.tobytes() for row in changed}) > 40


@pytest.mark.parametrize("length_px", [1.0, 4.0, 9.0])
def test_motion_blur_is_opencvs_filter_with_a_line_of_some_direction(
    length_px: float,
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crop, step = make_crops(1), MotionBlur(length_px=(length_px, length_px))
    shares = (np.arange(256) + 0.5) / 256
    references = np.stack([step(crop[0], PairGenerator(share=share)) for share in shares])
    rows = batched(step, np.repeat(crop, 16, axis=0), np.random.default_rng(0))
    apart, which = nearest(rows, references.astype(float))
    assert apart.max() < 1
    assert length_px == 1 or np.ptp(which) > 128


def test_motion_blur_pads_short_lines_and_takes_lines_longer_than_the_image(
    make_crops: Callable[..., Any],
    batched: Callable[..., Any],
) -> None:
    crops = np.repeat(make_crops(1, 12, 9), 64, axis=0)
    blurred = batched(MotionBlur(length_px=(1.0, 60.0)), crops, np.random.default_rng(0))
    assert blurred.mean() == pytest.approx(crops.mean(), rel=0.1)
    assert blurred.std(axis=(1, 2, 3)).min() < 0.8 * blurred.std(axis=(1, 2, 3)).max()


@pytest.mark.parametrize("sigma", [2.0, 20.0])
def test_noise_has_that_deviation_about_the_image_and_is_one_for_all_views(sigma: float) -> None:
    images = torch.full((6, 2, 3, 48, 40), 128.0)
    noisy = change(Noise(sigma=(sigma, sigma)), images, np.random.default_rng(0))
    assert noisy[:, 0].mean() == pytest.approx(128, abs=0.05 * sigma)
    assert noisy[:, 0].std().item() == pytest.approx(sigma, rel=0.02)
    assert torch.equal(noisy[:, 0], noisy[:, 1])
    rows = noisy[:, 0].flatten(1) - 128
    assert np.abs(np.corrcoef(rows) - np.eye(6)).max() < 0.06


def test_every_row_has_a_noise_level_of_its_own() -> None:
    images = torch.full((200, 1, 3, 20, 20), 128.0)
    noisy = change(Noise(sigma=(2.0, 14.0)), images, np.random.default_rng(0))
    levels = noisy.flatten(1).std(dim=1)
    assert levels.min() < 3
    assert levels.max() > 13
    assert levels.mean() == pytest.approx(8, abs=0.8)
