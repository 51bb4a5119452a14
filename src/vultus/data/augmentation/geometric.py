"""Augmentations that move pixels: flip, crop, affine."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation.base import AUGMENTATIONS, Interval, check_interval


@AUGMENTATIONS.register("flip")
@dataclass(frozen=True, slots=True)
class Flip:
    """Mirror left and right. Of an aligned face the mirror image is again an aligned face."""

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Mirror the image; nothing is drawn."""
        return np.asarray(cv2.flip(image, 1), np.uint8)


@AUGMENTATIONS.register("crop")
@dataclass(frozen=True, slots=True)
class Crop:
    """Keep a part of the image, anywhere in it.

    Attributes:
        side: Share of height and of width that is kept, in (0, 1]; each is drawn on its own.
        outside: ``"stretch"`` fills the image with the part (the face grows and its places move);
            ``"black"`` blackens the rest (the face stays where it is, as AdaFace's crops,
            arXiv:2204.00964, section 4.1).
    """

    side: Interval = (0.8, 1.0)
    outside: Literal["stretch", "black"] = "stretch"

    def __post_init__(self) -> None:
        side = check_interval("side", self.side, low=0, high=1, low_open=True)
        object.__setattr__(self, "side", side)
        if self.outside not in ("stretch", "black"):
            raise InputError(f"outside must be 'stretch' or 'black', got {self.outside!r}")

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Crop the image."""
        height, width = image.shape[:2]
        rows = max(1, round(height * generator.uniform(*self.side)))
        columns = max(1, round(width * generator.uniform(*self.side)))
        top = int(generator.integers(height - rows + 1))
        left = int(generator.integers(width - columns + 1))
        part = image[top : top + rows, left : left + columns]
        if self.outside == "stretch":
            return np.asarray(cv2.resize(part, (width, height)), np.uint8)
        cropped = np.zeros_like(image)
        cropped[top : top + rows, left : left + columns] = part
        return cropped


@AUGMENTATIONS.register("affine")
@dataclass(frozen=True, slots=True)
class Affine:
    """Turn, scale and shift about the middle: the errors of a landmark detector.

    What comes from beyond the edge is black, as in crops of faces at a photo's edge.

    Attributes:
        rotation_deg: Largest turn to either side in degrees, in [0, 180].
        scale: Factor of the face's size, in (0, 10].
        shift: Largest shift along each axis as a share of the image's side, in [0, 1].
    """

    rotation_deg: float = 8.0
    scale: Interval = (0.93, 1.07)
    shift: float = 0.03

    def __post_init__(self) -> None:
        check_range("rotation_deg", self.rotation_deg, low=0, high=180)
        check_range("shift", self.shift, low=0, high=1)
        scale = check_interval("scale", self.scale, low=0, high=10, low_open=True)
        object.__setattr__(self, "scale", scale)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Resample the image bilinearly through one map."""
        height, width = image.shape[:2]
        angle_deg = generator.uniform(-self.rotation_deg, self.rotation_deg)
        centre = ((width - 1) / 2, (height - 1) / 2)
        transform = cv2.getRotationMatrix2D(centre, angle_deg, generator.uniform(*self.scale))
        transform[0, 2] += width * generator.uniform(-self.shift, self.shift)
        transform[1, 2] += height * generator.uniform(-self.shift, self.shift)
        return np.asarray(cv2.warpAffine(image, transform, (width, height)), np.uint8)
