"""Pictures inside pages: what a browser would decode is the photo, small."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as PilImage

from vultus.core.errors import InputError
from vultus.pages.inline import inline_image


def decoded(address: str) -> PilImage.Image:
    head, data = address.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return PilImage.open(BytesIO(base64.b64decode(data, validate=True)))


def halves(height: int, width: int) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = (250, 120, 10)
    return image


@pytest.mark.parametrize(
    ("size", "expected"),
    [((300, 600), (80, 160)), ((600, 300), (100, 50)), ((40, 30), (40, 30))],
)
def test_it_fits_and_is_never_enlarged(size: tuple[int, int], expected: tuple[int, int]) -> None:
    small = inline_image(halves(*size), max_width=160, max_height=100, quality=95)
    picture = decoded(small.address)
    assert (small.height, small.width) == (picture.height, picture.width) == expected
    pixels = np.asarray(picture, np.int32)
    assert np.abs(pixels[:, : expected[1] // 4]).max() < 12
    assert np.abs(pixels[:, -expected[1] // 4 :] - (250, 120, 10)).max() < 12


def test_quality_decides_the_length() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    lengths = [
        len(inline_image(noise, max_width=90, max_height=90, quality=quality).address)
        for quality in (20, 60, 95)
    ]
    assert lengths == sorted(set(lengths))


def test_bad_input_is_named() -> None:
    image = halves(10, 10)
    with pytest.raises(InputError, match="image"):
        inline_image(image[..., 0], max_width=9, max_height=9)
    with pytest.raises(InputError, match="max_width"):
        inline_image(image, max_width=0, max_height=9)
    with pytest.raises(InputError, match="quality"):
        inline_image(image, max_width=9, max_height=9, quality=101)
