from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.choices import Colour, Flip
from vultus.core.errors import InputError
from vultus.embedding.preprocess import fused, network_input, preprocessing_line, views

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)


@pytest.mark.parametrize("colour", get_args(Colour))
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (127.5, 128.0), (127.5, 127.5)])
def test_every_pixel_is_where_the_network_reads_it(colour: Colour, mean: float, std: float) -> None:
    planes = network_input(PIXELS, colour=colour, mean=mean, std=std)
    assert planes.shape == (2, 3, 4, 5)
    assert planes.dtype == np.float32
    assert planes.flags.c_contiguous
    for n, channel, row, column in np.ndindex(planes.shape):
        source = channel if colour == "rgb" else 2 - channel
        expected = (float(PIXELS[n, row, column, source]) - mean) / std
        assert planes[n, channel, row, column] == pytest.approx(expected, abs=1e-6)


def test_only_rgb_bytes_are_taken() -> None:
    wrong: Any
    for wrong in (PIXELS.astype(np.float32), PIXELS[..., :1], PIXELS[0]):
        with pytest.raises(InputError, match="pixels must be uint8"):
            network_input(wrong)


def test_mirrored_views_follow_the_plain_ones() -> None:
    planes = network_input(PIXELS)
    assert views(planes, flip="none") is planes
    both = views(planes, flip="add")
    np.testing.assert_array_equal(both[:2], planes)
    for column in range(5):
        np.testing.assert_array_equal(both[2:, :, :, column], planes[..., 4 - column])


def test_views_are_fused_by_crop() -> None:
    outputs = np.array([[1, 2], [3, 4], [10, 20], [30, 40]], np.float32)
    np.testing.assert_array_equal(fused(outputs, flip="none"), outputs)
    np.testing.assert_array_equal(fused(outputs, flip="add"), [[11, 22], [33, 44]])
    np.testing.assert_array_equal(fused(outputs, flip="concat"), [[1, 2, 10, 20], [3, 4, 30, 40]])


numbers = st.floats(-300, 300, allow_subnormal=False)


@given(numbers, numbers)
def test_two_settings_never_share_a_line(a: float, b: float) -> None:
    lines = {
        preprocessing_line(template="t", colour="rgb", mean=mean, std=1.0, flip="none")
        for mean in (a, b)
    }
    assert len(lines) == (1 if a == b else 2)


def test_each_setting_is_in_the_line() -> None:
    def line(
        template: str = "t", colour: Colour = "rgb", std: float = 1.0, flip: Flip = "add"
    ) -> str:
        return preprocessing_line(template=template, colour=colour, mean=0.0, std=std, flip=flip)

    lines = {line(), line(template="u"), line(colour="bgr"), line(std=2.0), line(flip="concat")}
    assert len(lines) == 5
    assert line() == "t rgb (x-0)/1 flip=add"
