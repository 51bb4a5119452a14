"""The fast decoder against `read_image`, pixel by pixel, and on what it must not swallow."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from vultus.core.errors import ImageError
from vultus.core.faces import Image
from vultus.data.decode import decode_image
from vultus.image.io import read_image


def encode(image: PilImage.Image, kind: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


@pytest.fixture(scope="module")
def picture(collins: Image) -> PilImage.Image:
    return PilImage.fromarray(collins[40:151, 150:263])


def exif(orientation: int) -> PilImage.Exif:
    tags = PilImage.Exif()
    tags[0x0112] = orientation
    return tags


CASES: dict[str, Any] = {
    "jpeg": lambda p: encode(p, "JPEG", quality=95),
    "jpeg 4:4:4": lambda p: encode(p, "JPEG", subsampling=0),
    "jpeg progressive": lambda p: encode(p, "JPEG", progressive=True),
    "jpeg grey": lambda p: encode(p.convert("L"), "JPEG"),
    "jpeg CMYK": lambda p: encode(p.convert("CMYK"), "JPEG"),
    "jpeg turned": lambda p: encode(p, "JPEG", exif=exif(6)),
    "jpeg with bytes behind it": lambda p: encode(p, "JPEG") + b"\0\0",
    "webp": lambda p: encode(p, "WEBP", quality=90),
    "webp lossless": lambda p: encode(p, "WEBP", lossless=True),
    "webp turned": lambda p: encode(p, "WEBP", exif=exif(6)),
    "webp with alpha": lambda p: encode(with_alpha(p), "WEBP"),
    "png": lambda p: encode(p, "PNG"),
    "png with alpha": lambda p: encode(with_alpha(p), "PNG"),
    "bmp": lambda p: encode(p, "BMP"),
}


def with_alpha(picture: PilImage.Image) -> PilImage.Image:
    clear = picture.copy()
    clear.putalpha(PilImage.linear_gradient("L").resize(picture.size))
    return clear


@pytest.mark.parametrize("case", CASES)
def test_the_pixels_are_those_of_read_image(picture: PilImage.Image, case: str) -> None:
    data = CASES[case](picture)
    image = decode_image(data, "x")
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, read_image(data))


@pytest.mark.parametrize("case", ["jpeg", "jpeg progressive", "webp", "png"])
@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.95])
def test_a_file_cut_short_is_an_error(picture: PilImage.Image, case: str, keep: float) -> None:
    data = CASES[case](picture)
    with pytest.raises(ImageError, match="anna/1"):
        decode_image(data[: int(len(data) * keep)], "anna/1")


@pytest.mark.parametrize("case", ["jpeg", "webp", "png"])
def test_flipped_bytes_give_an_image_or_an_image_error(picture: PilImage.Image, case: str) -> None:
    data = CASES[case](picture)
    generator = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(data)
        for at in generator.integers(0, min(len(data), 700), 3):
            damaged[at] = generator.integers(0, 256)
        try:
            assert decode_image(bytes(damaged), "x").shape[2] == 3
        except ImageError as error:
            assert str(error).startswith("x: ")  # noqa: PT017


def test_a_bomb_is_refused_before_it_is_decoded(picture: PilImage.Image) -> None:
    data = bytearray(CASES["jpeg"](picture))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\x20\x00\x20\x00"
    with pytest.raises(ImageError, match="8192 x 8192"):
        decode_image(bytes(data), "x")
