"""Tiny grey pictures, by which copies of an image are told from other images of the same face."""

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image

THUMBNAIL_PX = 16
_FLAT = 4.0
"""Standard deviation, in grey levels, below which a picture has no pattern to compare."""

Bytes = npt.NDArray[np.uint8]


def thumbnail(image: Image) -> Bytes:
    """Shrink an image to 16 x 16 grey pixels by averaging.

    Args:
        image: (h, w, 3) uint8, RGB.

    Returns:
        (256,) uint8, row by row.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8).reshape(-1)


def has_pattern(picture: Bytes) -> bool:
    """Whether there is anything in a (256,) thumbnail to compare."""
    return bool(picture.std() >= _FLAT)


def correlations(a: Bytes, b: Bytes) -> npt.NDArray[np.float32]:
    """How alike the patterns of row i of ``a`` and row i of ``b`` are, mirrored or not.

    Correlation does not see brightness and contrast, which copies often differ in.

    Args:
        a: (n, 256) uint8.
        b: (n, 256) uint8.

    Returns:
        (n,) float32 in [-1, 1]: the higher of the two correlations, with ``b`` as it is and
        mirrored left to right.
    """
    square = b.reshape(len(b), THUMBNAIL_PX, THUMBNAIL_PX)
    mirrored = square[:, :, ::-1].reshape(len(b), -1)
    first = _standardised(a)
    as_it_is, reflected = (
        np.einsum("nd,nd->n", first, _standardised(other)) / a.shape[1] for other in (b, mirrored)
    )
    return np.asarray(np.clip(np.maximum(as_it_is, reflected), -1, 1), np.float32)


def _standardised(pictures: Bytes) -> npt.NDArray[np.float32]:
    values = pictures.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return np.asarray(values / np.maximum(values.std(axis=1, keepdims=True), _FLAT), np.float32)
