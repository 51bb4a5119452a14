"""Augmentations that move pixels: flip, crop, affine, stretch."""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation.base import AUGMENTATIONS, Interval, check_interval
from vultus.data.paint import face_points, landmark_template


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


@AUGMENTATIONS.register("stretch")
@dataclass(frozen=True, slots=True)
class Stretch:
    """A photo of the wrong proportions: the face becomes wider or taller, and is aligned again.

    Alignment turns, scales and shifts; it cannot undo a stretch. So the face goes to where the
    least squares of its five landmarks put it: a stretch to twice the width makes it both wider
    and flatter. What comes from beyond the edge is mirrored: edges in black would tell by how
    much the face was stretched, and photos have no such edges.

    Attributes:
        factor: Width over height of what was square, in [0.2, 5]; drawn evenly on the logarithm.
        template: Name of a template with landmarks, the one that the crops were made with.
    """

    factor: Interval = (0.6, 1.6)
    template: str = "arcface-112"

    def __post_init__(self) -> None:
        landmark_template(self.template)
        factor = check_interval("factor", self.factor, low=0.2, high=5)
        object.__setattr__(self, "factor", factor)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Resample the image bilinearly, along both axes by other factors."""
        height, width = image.shape[:2]
        points = face_points(image, landmark_template(self.template))
        low, high = map(math.log, self.factor)
        factor = np.exp(np.array([generator.uniform(low, high)]))
        scales, middle = aligned_scales(points, factor)[0], points.mean(axis=0)
        transform = np.column_stack([np.diag(scales), middle * (1 - scales)])
        moved = cv2.warpAffine(image, transform, (width, height), borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(moved, np.uint8)


def aligned_scales(
    points: npt.NDArray[np.float64], factors: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """By how much a stretched face is larger along x and y once it is aligned again.

    With landmarks ``p`` about their mean and ``q = (r x, y)`` of each, alignment scales by the
    ``s`` that makes the sum of ``|p - s q|^2`` least: ``s = (r A + B) / (r^2 A + B)``, ``A`` and
    ``B`` the sums of ``x^2`` and ``y^2``. A turn does not come into it: of a template the sum of
    ``x y`` is nearly 0.

    Args:
        points: (k, 2) ``x y`` of the template.
        factors: (n,) width over height, each above 0.

    Returns:
        (n, 2): r s and s.
    """
    across, down = ((points - points.mean(axis=0)) ** 2).sum(axis=0)
    scales = (factors * across + down) / (factors**2 * across + down)
    return np.stack([factors * scales, scales], axis=1)
