"""Small pictures that an HTML page carries in itself."""

import base64
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image as PilImage

from vultus.core.checks import check_array, check_positive_int, check_range
from vultus.core.faces import Image


@dataclass(frozen=True)
class InlineImage:
    """A picture as an address that holds its data.

    Attributes:
        address: ``data:image/jpeg;base64,...``, for the ``src`` of an ``img``.
        width: In pixels.
        height: In pixels.
    """

    address: str
    width: int
    height: int


def inline_image(
    image: Image, *, max_width: int, max_height: int, quality: int = 80
) -> InlineImage:
    """Shrink an image to fit, never enlarging it, and encode it as JPEG.

    Args:
        image: (h, w, 3) uint8, RGB.
        max_width: In pixels.
        max_height: In pixels.
        quality: JPEG quality, 1 to 100.

    Raises:
        InputError: If the array is no RGB image or a number is out of its range.
    """
    check_array("image", image, dtype=np.uint8, shape=("h", "w", 3))
    check_positive_int("max_width", max_width)
    check_positive_int("max_height", max_height)
    check_range("quality", quality, low=1, high=100)
    picture = PilImage.fromarray(image)
    picture.thumbnail((max_width, max_height))
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return InlineImage(f"data:image/jpeg;base64,{data}", picture.width, picture.height)
