"""Copies of an image as they come about in the wild: encoded again, shrunk, cropped, mirrored."""

from collections.abc import Callable

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.decode import decode_image
from vultus.image.encode import encoded

Generator = np.random.Generator


def altered_copy(data: bytes, generator: Generator) -> bytes:
    """A JPEG or WebP of the same picture with other bytes, of the same size.

    One of: encoded again (quality 40 to 90); shrunk to 0.6 to 0.95 and back; brightness and
    contrast changed by up to 15 %; mirrored; 1 to 3 pixels cut off all around.

    Args:
        data: The bytes of an image's file.
        generator: Of the draw.

    Raises:
        ImageError: If it is no image.
    """
    image = decode_image(data)
    way = _WAYS[int(generator.integers(len(_WAYS)))]
    ending = (".jpg", ".webp")[int(generator.integers(2))]
    quality = int(generator.integers(40, 91)) if way is _as_it_is else 85
    return encoded(way(image, generator), ending, quality=quality)


def _as_it_is(image: Image, _: Generator) -> Image:
    return image


def _shrunk(image: Image, generator: Generator) -> Image:
    height, width = image.shape[:2]
    factor = generator.uniform(0.6, 0.95)
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _toned(image: Image, generator: Generator) -> Image:
    gain, shift = generator.uniform(0.85, 1.15), generator.uniform(-12, 12)
    return np.asarray(np.clip(image * gain + shift, 0, 255), np.uint8)


def _mirrored(image: Image, _: Generator) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


def _cropped(image: Image, generator: Generator) -> Image:
    height, width = image.shape[:2]
    cut = int(generator.integers(1, 4))
    inner = image[cut : height - cut, cut : width - cut]
    return np.asarray(cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


_WAYS: tuple[Callable[[Image, Generator], Image], ...] = (
    _as_it_is,
    _shrunk,
    _toned,
    _mirrored,
    _cropped,
)
