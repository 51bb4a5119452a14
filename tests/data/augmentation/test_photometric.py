import colorsys

import numpy as np
import pytest

from vultus.core.faces import Image
from vultus.data.augmentation import Grey, Photometric

STILL = {
    "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue_deg": 0.0, "gamma": (1.0, 1.0),
}  # fmt: skip


def colours() -> Image:
    return np.random.default_rng(2).integers(60, 190, (40, 40, 3), np.uint8)


def luma(image: Image) -> np.ndarray:
    return np.asarray(image @ np.array([0.299, 0.587, 0.114]))


def test_without_any_change_it_is_the_identity_up_to_rounding() -> None:
    changed = Photometric(**STILL)(colours(), np.random.default_rng(0))  # type: ignore[arg-type]
    assert np.abs(changed.astype(int) - colours()).max() <= 1


def test_gamma_is_a_power_of_the_values() -> None:
    changed = Photometric(**{**STILL, "gamma": (2.0, 2.0)})(colours(), np.random.default_rng(0))  # type: ignore[arg-type]
    assert np.abs(changed - 255 * (colours() / 255.0) ** 2).max() < 2


@pytest.mark.parametrize("setting", ["brightness", "contrast"])
def test_brightness_shifts_and_contrast_stretches(setting: str) -> None:
    before = colours().astype(float)
    slopes, offsets = [], []
    for seed in range(200):
        settings = {**STILL, setting: 0.2}
        changed = Photometric(**settings)(colours(), np.random.default_rng(seed))  # type: ignore[arg-type]
        slope, offset = np.polyfit(before.ravel() - 127.5, changed.ravel() - 127.5, 1)
        slopes.append(slope)
        offsets.append(offset / 255)
    moved, still = (slopes, offsets) if setting == "contrast" else (offsets, slopes)
    centre = 1.0 if setting == "contrast" else 0.0
    assert np.min(moved) == pytest.approx(centre - 0.2, abs=0.02)
    assert np.max(moved) == pytest.approx(centre + 0.2, abs=0.02)
    assert np.ptp(still) < 0.02


def test_hue_and_saturation_keep_the_luma() -> None:
    for setting in ({"saturation": 0.3}, {"hue_deg": 20.0}):
        largest = 0
        for seed in range(20):
            changed = Photometric(**{**STILL, **setting})(colours(), np.random.default_rng(seed))  # type: ignore[arg-type]
            inside = ((changed > 0) & (changed < 255)).all(axis=2)
            assert np.abs(luma(changed) - luma(colours()))[inside].max() < 2
            largest = max(largest, int(np.abs(changed.astype(int) - colours()).max()))
        assert largest > 15


def test_hue_turns_to_both_sides() -> None:
    red = np.full((1, 1, 3), (150, 90, 90), np.uint8)
    turned = []
    for seed in range(100):
        changed = Photometric(**{**STILL, "hue_deg": 20.0})(red, np.random.default_rng(seed))  # type: ignore[arg-type]
        hue = colorsys.rgb_to_hsv(*(changed[0, 0] / 255))[0]
        turned.append((hue + 0.5) % 1 - 0.5)
    assert max(turned) > 0.02
    assert min(turned) < -0.02


def test_grey_is_the_luma_three_times() -> None:
    grey = Grey()(colours(), np.random.default_rng(0))
    assert (grey == grey[..., :1]).all()
    assert np.abs(grey[..., 0] - luma(colours())).max() < 0.51
