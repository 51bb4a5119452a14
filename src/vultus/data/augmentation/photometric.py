"""Augmentations of light and colour: photometric, grey."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.faces import Image
from vultus.data.augmentation.base import AUGMENTATIONS, Interval, check_interval

RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
"""(3, 3), rows Y, I, Q of ITU-R BT.470: turning I and Q turns the hue and keeps the luma."""

YIQ_TO_RGB = np.linalg.inv(RGB_TO_YIQ)
"""(3, 3), the way back."""


@AUGMENTATIONS.register("photometric")
@dataclass(frozen=True, slots=True)
class Photometric:
    """Exposure and colour: gamma, contrast and brightness, then saturation and hue.

    Attributes:
        brightness: Largest change either way as a share of white, in [0, 1].
        contrast: Largest change either way of the factor about mid-grey, in [0, 1].
        saturation: Largest change either way of the colours' distance from grey, in [0, 1].
        hue_deg: Largest turn of the hue either way in degrees, in [0, 180].
        gamma: Exponent applied to values in [0, 1], in (0, 10].
    """

    brightness: float = 0.15
    contrast: float = 0.25
    saturation: float = 0.3
    hue_deg: float = 8.0
    gamma: Interval = (0.75, 1.35)

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            check_range(name, getattr(self, name), low=0, high=1)
        check_range("hue_deg", self.hue_deg, low=0, high=180)
        gamma = check_interval("gamma", self.gamma, low=0, high=10, low_open=True)
        object.__setattr__(self, "gamma", gamma)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Change the image's light and colour."""
        toned = cv2.LUT(image, self._curve(generator))
        return np.asarray(cv2.transform(toned, self._colour_matrix(generator)), np.uint8)

    def _curve(self, generator: np.random.Generator) -> npt.NDArray[np.uint8]:
        """(256,) uint8: the new value of every old one."""
        values = np.linspace(0, 1, 256) ** generator.uniform(*self.gamma)
        factor = 1 + generator.uniform(-self.contrast, self.contrast)
        offset = generator.uniform(-self.brightness, self.brightness)
        values = (values - 0.5) * factor + 0.5 + offset
        return np.asarray(np.rint(values.clip(0, 1) * 255), np.uint8)

    def _colour_matrix(self, generator: np.random.Generator) -> npt.NDArray[np.float64]:
        """(3, 3): RGB to RGB, with a scaled turn of the colour plane."""
        scale = 1 + generator.uniform(-self.saturation, self.saturation)
        angle = math.radians(generator.uniform(-self.hue_deg, self.hue_deg))
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        return np.asarray(YIQ_TO_RGB @ turn @ RGB_TO_YIQ)


@AUGMENTATIONS.register("grey")
@dataclass(frozen=True, slots=True)
class Grey:
    """Take the colours away: three channels of ITU-R BT.601's luma."""

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Make the image grey; nothing is drawn."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
