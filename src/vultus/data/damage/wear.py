"""Damage that takes fine detail or its colours away, as beauty filters and cheap lenses do."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.damage.base import LOOKS, Points, damage, eye_distance, face_scale

_Generator = np.random.Generator


@damage("smoothed", "blurred", 1, 2, 4)
def smoothed(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Smooth skin between edges that stay, so many times over."""
    reach = 4 * face_scale(landmarks)
    side = 2 * max(1, round(reach)) + 1
    for _ in range(max(1, round(strength))):
        photo = np.asarray(cv2.bilateralFilter(photo, side, 45, 1.5 * reach), np.uint8)
    return photo


@damage("fringes", "altered colours", 0.05, 0.09, 0.14, looks=LOOKS)
def fringes(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Red and blue set apart along a line; in distances between the eyes: a cheap lens, a print."""
    angle = generator.uniform(0, 2 * np.pi)
    far = strength * eye_distance(landmarks) * np.array([np.cos(angle), np.sin(angle)])
    size = photo.shape[1::-1]
    made = photo.copy()
    for channel, sign in ((0, 1), (2, -1)):
        moved = np.array([[1, 0, sign * far[0]], [0, 1, sign * far[1]]], np.float32)
        made[..., channel] = cv2.warpAffine(
            photo[..., channel], moved, size, borderMode=cv2.BORDER_REPLICATE
        )
    return made
