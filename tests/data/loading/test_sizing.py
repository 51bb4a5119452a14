import numpy as np

from vultus.data.loading.sizing import resized


def test_smaller_ones_are_averages_and_equal_ones_the_same() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    assert resized(image, (8, 12)) is image
    expected = image.reshape(4, 2, 6, 2, 3).astype(np.float64).mean(axis=(1, 3))
    assert np.abs(resized(image, (4, 6)) - expected).max() <= 0.5
    assert resized(image, (16, 30)).shape == (16, 30, 3)
