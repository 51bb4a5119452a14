"""Each effect does the one thing that it is called after."""

import numpy as np
import pytest

from vultus.data.recapture.effects import (
    bands,
    gratings,
    halftone,
    narrowed_gamut,
    paper,
    photographed,
    posterised,
    reflection,
    subpixel_moire,
)

GREY = np.full((64, 64, 3), 0.5, np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def spectrum(pixels: np.ndarray) -> np.ndarray:
    """Strength of each wave of the green channel, without the mean."""
    green = pixels[..., 1] - pixels[..., 1].mean()
    return np.asarray(np.abs(np.fft.fft2(green)))


def test_a_narrowed_gamut_is_paler_between_black_and_white() -> None:
    colours = np.array([[[0, 0, 0], [1, 1, 1], [1, 0, 0]]], np.float32)
    white = np.array([0.9, 0.8, 0.7], np.float32)
    found = narrowed_gamut(colours, saturation=0.5, black=0.1, white=white)
    np.testing.assert_allclose(found[0, 0], 0.1, atol=1e-6)
    np.testing.assert_allclose(found[0, 1], white, atol=1e-6)
    assert np.ptp(found[0, 2]) < 0.6


def test_gratings_are_waves_of_the_period() -> None:
    waves = spectrum(gratings(GREY, rng(), depth=0.2, period_px=8))
    rows, columns = np.unravel_index(int(waves.argmax()), waves.shape)
    down, across = (min(int(k), 64 - int(k)) for k in (rows, columns))
    frequency = float(np.hypot(down, across)) / 64
    assert 1 / frequency == pytest.approx(8, rel=0.3)
    np.testing.assert_array_equal(gratings(GREY, rng(), depth=0, period_px=8), GREY)


def test_a_grid_of_stripes_beats_with_the_sensor() -> None:
    layout = np.eye(3, dtype=np.float32)[None].repeat(3, axis=0)
    found = subpixel_moire(GREY, layout, pitch=1.1, angle_rad=0.05)
    assert found.shape == GREY.shape
    np.testing.assert_allclose(found.mean(axis=(0, 1)), 0.5, atol=0.01)
    inner = spectrum(found[8:-8, 8:-8])
    slow = inner[:10, :10].max()  # a wave far longer than a stripe
    assert slow > 20 * np.median(inner)
    # Equal grids do not beat: but for the border nothing is seen.
    plain = subpixel_moire(GREY, layout, pitch=1.0, angle_rad=0.0)
    assert plain[8:-8, 8:-8].std() < 0.01 < found[8:-8, 8:-8].std()


@pytest.mark.parametrize("soft", [True, False])
def test_bands_lie_across(soft: bool) -> None:
    found = bands(GREY, rng(), depth=0.4, period_share=0.25, soft=soft)
    assert np.ptp(found, axis=1).max() == 0
    assert np.ptp(found[:, 0, 0]) > 0.1
    assert found.max() <= 0.5 + 1e-6


def test_steps_are_as_many_as_asked_for() -> None:
    ramp = np.linspace(0, 1, 300, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    assert len(np.unique(posterised(ramp, levels=8))) == 8


def test_a_reflection_brightens_a_part() -> None:
    dark = np.full((64, 64, 3), 0.1, np.float32)
    draws = rng()
    found = [reflection(dark, draws, strength=0.8) for _ in range(20)]
    assert max(one.max() for one in found) > 0.5
    assert all((one > 0.1 - 1e-6).all() and (one < 0.15).any() for one in found)


def test_halftone_turns_grey_into_dots_that_are_grey_from_afar() -> None:
    found = halftone(GREY, rng(), period_px=4, depth=1.0)
    assert found.std() > 0.3
    assert found.mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(halftone(GREY, rng(), period_px=4, depth=0.0), GREY)


def test_paper_has_grain_and_a_bend() -> None:
    flat = paper(GREY, rng(), grain=0.0, curl=0.4)
    assert np.ptp(flat) > 0.1
    assert np.abs(np.diff(flat, axis=1)).max() < 0.02  # a slope, no grain
    grained = paper(GREY, rng(), grain=0.05, curl=0.0)
    assert np.abs(np.diff(grained, axis=1)).max() > 0.02


def test_photographed_is_softer_and_noisier() -> None:
    edge = GREY.copy()
    edge[:, 32:] = 1
    assert np.abs(np.diff(photographed(edge, rng(), blur_px=2, noise=0), axis=1)).max() < 0.2
    assert photographed(GREY, rng(), blur_px=0, noise=0.1).std() == pytest.approx(0.1, rel=0.1)
