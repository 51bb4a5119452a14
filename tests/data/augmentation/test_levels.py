import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation import Posterise


def shades(height: int = 64, width: int = 256) -> Image:
    """Every grey level in a column of its own."""
    return np.repeat(np.tile(np.arange(width, dtype=np.uint8), (height, 1))[..., None], 3, axis=2)


@pytest.mark.parametrize("levels", [2, 3, 8])
def test_areas_have_the_nearest_of_so_many_levels(levels: int) -> None:
    step = Posterise(levels=(levels, levels), dither=0, grey=0)
    changed = step(shades(), np.random.default_rng(0))
    values = np.unique(changed)
    np.testing.assert_array_equal(values, np.rint(np.linspace(0, 255, levels)))
    nearest = np.abs(np.arange(256)[:, None] - np.linspace(0, 255, levels)).min(axis=1)
    np.testing.assert_allclose(np.abs(changed[0, :, 0] - np.arange(256.0)), nearest, atol=0.51)


def test_dots_keep_the_mean_light() -> None:
    step = Posterise(levels=(2, 2), dither=1, grey=0)
    kinds = set()
    for seed in range(20):
        changed = step(shades(), np.random.default_rng(seed)).astype(float)
        assert set(np.unique(changed)) == {0, 255}
        light = changed[..., 0].reshape(64, 32, 8).mean(axis=(0, 2))
        np.testing.assert_allclose(light, np.arange(256).reshape(32, 8).mean(axis=1), atol=22)
        kinds.add((changed[:4, :, 0] == changed[4:8, :, 0]).all())
    assert kinds == {True, False}  # the pattern comes again after four rows, random dots do not


def test_black_and_white_stay() -> None:
    ends = shades()[:, [0, 255]]
    for seed in range(50):
        changed = Posterise()(ends, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed, ends)


@pytest.mark.parametrize(("grey", "colourless"), [(0.0, 0), (0.4, 0.4), (1.0, 1)])
def test_the_colours_go_as_often_as_it_says(grey: float, colourless: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    step = Posterise(levels=(4, 4), grey=grey)
    changed = [step(image, np.random.default_rng(seed)) for seed in range(200)]
    share = np.mean([(one == one[..., :1]).all() for one in changed])
    assert share == pytest.approx(colourless, abs=0.1)


@pytest.mark.parametrize(
    "settings", [{"levels": (1, 4)}, {"levels": (2.5, 4)}, {"dither": 1.5}, {"grey": -0.1}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        Posterise(**settings)  # type: ignore[arg-type]
