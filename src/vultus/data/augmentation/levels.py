"""The augmentation that leaves few levels of light: posterise."""

from dataclasses import dataclass

import numpy as np

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation.base import AUGMENTATIONS, Interval, check_interval
from vultus.data.augmentation.photometric import Grey

PATTERN = (np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) + 0.5) / 16
"""(4, 4) in (0, 1): Bayer's thresholds of an ordered dither."""


@AUGMENTATIONS.register("posterise")
@dataclass(frozen=True, slots=True)
class Posterise:
    """Few levels of light a channel, in areas or in dots: faxes, prints, palettes.

    With v in [0, 1] and L levels a value becomes floor(v (L - 1) + t) / (L - 1). Areas have
    t = 1/2; dots have another t at every pixel, half of them Bayer's pattern of 4 x 4, half random
    numbers.

    Attributes:
        levels: How many, whole numbers in [2, 256].
        dither: How often there are dots, in [0, 1].
        grey: How often the colours go first, in [0, 1].
    """

    levels: Interval = (2, 8)
    dither: float = 0.5
    grey: float = 0.3

    def __post_init__(self) -> None:
        check_range("dither", self.dither, low=0, high=1)
        check_range("grey", self.grey, low=0, high=1)
        levels = check_interval("levels", self.levels, low=2, high=256)
        if not all(end.is_integer() for end in levels):
            raise InputError(f"levels must be two whole numbers, got {self.levels!r}")
        object.__setattr__(self, "levels", levels)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Round the image's values."""
        low, high = self.levels
        steps = int(generator.integers(int(low), int(high), endpoint=True)) - 1
        if generator.uniform(0, 1) < self.grey:
            image = Grey()(image, generator)
        way = generator.uniform(0, 1)
        limits = np.full((1, 1), 0.5)
        if way < self.dither:
            height, width = image.shape[:2]
            limits = np.tile(PATTERN, (-(-height // 4), -(-width // 4)))[:height, :width]
            if way >= self.dither / 2:
                limits = generator.random((height, width))
        rounded = np.floor(image * (steps / 255) + limits[..., None])
        # A random limit can be next to 1, and white then a level too high.
        return np.asarray(np.rint(rounded.clip(0, steps) * (255 / steps)), np.uint8)
