"""Crops as the bytes of image files."""

import cv2

from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError
from vultus.core.faces import Image


def encoded(image: Image, ending: str, *, quality: int = 90) -> bytes:
    """The bytes of an image's file.

    Args:
        image: (h, w, 3) uint8, RGB.
        ending: ``.png``, ``.jpg`` or ``.webp``.
        quality: 1 to 100, of the lossy two.

    Raises:
        InputError: If ending or quality is another.
    """
    settings = {
        ".png": (),
        ".webp": (cv2.IMWRITE_WEBP_QUALITY, quality),
        ".jpg": (cv2.IMWRITE_JPEG_QUALITY, quality),
    }
    if check_positive_int("quality", quality) > 100 or ending not in settings:
        raise InputError(
            f"ending must be one of {', '.join(settings)} and quality at most 100, "
            f"got {ending!r} and {quality}"
        )
    _, data = cv2.imencode(ending, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings[ending])
    return data.tobytes()
