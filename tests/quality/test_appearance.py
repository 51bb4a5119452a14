import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vultus.core.crops import AlignedCrops
from vultus.quality.appearance import (
    contrast,
    face_ellipse,
    face_masks,
    luminance,
    luminance_mean,
    over_exposure,
    sharpness,
    under_exposure,
)


def noise_faces(n: int = 3, size: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.random((n, size, size), np.float32), rng.random((n, size, size)) < 0.7


def naive_sharpness(luma: np.ndarray, mask: np.ndarray) -> float:
    """The published formula with loops, along rows and columns."""
    scores = []
    for picture, shown in ((luma, mask), (luma.T, mask.T)):
        height, width = picture.shape
        smooth = np.zeros_like(picture, dtype=np.float64)
        for y in range(height):
            for x in range(width):
                taps = [picture[y, min(max(x + k, 0), width - 1)] for k in range(-4, 5)]
                smooth[y, x] = sum(float(tap) for tap in taps) / 9
        lost = total = 0.0
        for y in range(height):
            for x in range(1, width):
                if shown[y, x] and shown[y, x - 1]:
                    change = abs(float(picture[y, x]) - float(picture[y, x - 1]))
                    lost += max(0.0, change - abs(smooth[y, x] - smooth[y, x - 1]))
                    total += change
        scores.append(lost / total)
    return min(scores)


def test_sharpness_equals_the_formula_with_loops() -> None:
    luma, mask = noise_faces()
    wanted = [naive_sharpness(one, shown) for one, shown in zip(luma, mask, strict=True)]
    np.testing.assert_allclose(sharpness(luma, mask), wanted, rtol=1e-4)


def test_sharpness_falls_with_blur_along_one_axis_alone() -> None:
    luma, _ = noise_faces(1, 64)
    mask = np.ones_like(luma, np.bool_)
    smeared = np.mean([np.roll(luma, step, axis=2) for step in range(20)], axis=0)
    before, after = sharpness(luma, mask)[0], sharpness(np.asarray(smeared, np.float32), mask)[0]
    assert after < 0.85 * before
    across = np.swapaxes(smeared, 1, 2)
    assert sharpness(np.asarray(across, np.float32), mask)[0] == pytest.approx(after, rel=1e-4)


@given(gain=st.floats(0.2, 1.0), shift=st.floats(-0.3, 0.3))
@settings(max_examples=20, deadline=None)
def test_sharpness_does_not_depend_on_brightness_or_contrast(gain: float, shift: float) -> None:
    luma, mask = noise_faces()
    changed = np.asarray(luma * gain + shift, np.float32)
    np.testing.assert_allclose(sharpness(changed, mask), sharpness(luma, mask), rtol=1e-3)


def test_a_flat_face_and_an_empty_mask_give_zeros() -> None:
    flat = np.full((1, 20, 20), 0.5, np.float32)
    everywhere, nowhere = np.ones((1, 20, 20), np.bool_), np.zeros((1, 20, 20), np.bool_)
    assert sharpness(flat, everywhere)[0] == 0
    for measure in (sharpness, contrast, luminance_mean, under_exposure, over_exposure):
        assert measure(flat, nowhere).tolist() == [0.0]


def test_luminance_weights_green_most_and_spans_zero_to_one() -> None:
    colours = np.array([[[[255, 255, 255], [0, 0, 0], [0, 255, 0], [0, 0, 255]]]], np.uint8)
    np.testing.assert_allclose(luminance(colours)[0, 0], [1, 0, 0.7152, 0.0722], atol=1e-6)


def test_exposure_counts_the_stated_grey_levels_inside_the_mask_only() -> None:
    levels = np.array([0, 25, 26, 128, 246, 247, 255, 255], np.uint8).reshape(1, 2, 4)
    luma = luminance(np.repeat(levels[..., None], 3, axis=3))
    mask = np.ones((1, 2, 4), np.bool_)
    assert under_exposure(luma, mask)[0] == pytest.approx(2 / 8)
    assert over_exposure(luma, mask)[0] == pytest.approx(3 / 8)
    mask[0, 1, 2:] = False
    assert over_exposure(luma, mask)[0] == pytest.approx(1 / 6)
    wanted = levels[mask] / 255
    assert luminance_mean(luma, mask)[0] == pytest.approx(wanted.mean(), abs=1e-6)
    assert contrast(luma, mask)[0] == pytest.approx(wanted.std(), abs=1e-6)


def test_masks_leave_out_what_lies_beyond_the_photo() -> None:
    shift = np.array([[[1, 0, 30], [0, 1, 0]], [[2, 0, 0], [0, 2, -20]]], np.float32)
    crops = AlignedCrops(np.zeros((2, 112, 112, 3), np.uint8), shift, "arcface-112")
    masks = face_masks(crops, (100, 60))
    ellipse = face_ellipse()
    y, x = np.nonzero(ellipse)
    for mask, (scale, shift_x, shift_y) in zip(masks, [(1, 30, 0), (2, 0, -20)], strict=True):
        source_x, source_y = (x - shift_x) / scale, (y - shift_y) / scale
        inside = (source_x >= -0.5) & (source_x <= 59.5) & (source_y >= -0.5) & (source_y <= 99.5)
        np.testing.assert_array_equal(mask[y, x], inside)
        assert not mask[~ellipse].any()
    assert masks[0].sum() > face_masks(crops, (100, 60), margin_px=5)[0].sum() > 0
