"""Random erasing: a rectangle anywhere is painted over."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation.base import AUGMENTATIONS, Interval, check_interval

Fill = Literal["noise", "colour", "mean"]


@AUGMENTATIONS.register("erase")
@dataclass(frozen=True, slots=True)
class Erase:
    """Paint over one rectangle (random erasing; Zhong et al., AAAI 2020, arXiv:1708.04896).

    Attributes:
        area: Share of the image's pixels, in (0, 1].
        aspect: Height over width, in [0.05, 20]; drawn evenly on the logarithm.
        fill: ``"noise"`` even random values, ``"colour"`` one random colour, ``"mean"`` the
            image's own mean colour.
    """

    area: Interval = (0.02, 0.2)
    aspect: Interval = (0.4, 2.5)
    fill: Fill = "noise"

    def __post_init__(self) -> None:
        area = check_interval("area", self.area, low=0, high=1, low_open=True)
        aspect = check_interval("aspect", self.aspect, low=0.05, high=20)
        object.__setattr__(self, "area", area)
        object.__setattr__(self, "aspect", aspect)
        if self.fill not in get_args(Fill):
            raise InputError(f"fill must be one of {', '.join(get_args(Fill))}, got {self.fill!r}")

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Paint a rectangle on a copy of the image; one that is too long for it is cut off."""
        height, width = image.shape[:2]
        area = generator.uniform(*self.area) * height * width
        aspect = math.exp(generator.uniform(math.log(self.aspect[0]), math.log(self.aspect[1])))
        rows = min(height, max(1, round(math.sqrt(area * aspect))))
        columns = min(width, max(1, round(math.sqrt(area / aspect))))
        top = int(generator.integers(height - rows + 1))
        left = int(generator.integers(width - columns + 1))
        erased = image.copy()
        erased[top : top + rows, left : left + columns] = self._paint(
            image, rows, columns, generator
        )
        return erased

    def _paint(
        self, image: Image, rows: int, columns: int, generator: np.random.Generator
    ) -> Image:
        if self.fill == "noise":
            return generator.integers(0, 256, (rows, columns, 3), np.uint8)
        if self.fill == "colour":
            return generator.integers(0, 256, 3, np.uint8)
        return np.asarray(np.rint(image.mean(axis=(0, 1))), np.uint8)
