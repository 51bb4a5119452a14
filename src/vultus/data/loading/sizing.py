"""Images brought to the size that a network takes."""

import cv2
import numpy as np

from vultus.core.faces import Image


def resized(image: Image, size_hw: tuple[int, int]) -> Image:
    """The image at another size, in the same way for training and for evaluation.

    Args:
        image: (h, w, 3) uint8.
        size_hw: Height and width in pixels.

    Returns:
        (height, width, 3) uint8; the image itself where it has that size. Areas are averaged where
        it becomes smaller, pixels are interpolated where it becomes larger.
    """
    height, width = image.shape[:2]
    if (height, width) == size_hw:
        return image
    shrinks = height * width > size_hw[0] * size_hw[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_hw[::-1], interpolation=method), np.uint8)
