"""Augmentations that lose detail: low resolution, blur, motion blur, JPEG, noise."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation.base import AUGMENTATIONS, Interval, check_interval

DOWN = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
"""OpenCV's interpolations that `LowResolution` shrinks by; each is as likely."""

UP = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4, cv2.INTER_NEAREST)
"""OpenCV's interpolations that it enlarges by."""

_QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])


@AUGMENTATIONS.register("low-resolution")
@dataclass(frozen=True, slots=True)
class LowResolution:
    """Shrink and enlarge again: a face that was far from the camera.

    How cameras, codecs and detectors resample is not known, so both interpolations are drawn:
    area, bilinear, bicubic or nearest down; bilinear, bicubic, Lanczos or nearest up.

    Attributes:
        scale: Share of the side that is left, in (0, 1].
    """

    scale: Interval = (0.2, 1.0)

    def __post_init__(self) -> None:
        scale = check_interval("scale", self.scale, low=0, high=1, low_open=True)
        object.__setattr__(self, "scale", scale)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Resample the image twice."""
        height, width = image.shape[:2]
        scale = generator.uniform(*self.scale)
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        down, up = DOWN[generator.integers(len(DOWN))], UP[generator.integers(len(UP))]
        shrunk = cv2.resize(image, small, interpolation=down)
        return np.asarray(cv2.resize(shrunk, (width, height), interpolation=up), np.uint8)


@AUGMENTATIONS.register("blur")
@dataclass(frozen=True, slots=True)
class Blur:
    """Gaussian blur: a lens out of focus.

    Attributes:
        sigma_px: Standard deviation in pixels, in (0, 50].
    """

    sigma_px: Interval = (0.4, 2.0)

    def __post_init__(self) -> None:
        sigma = check_interval("sigma_px", self.sigma_px, low=0, high=50, low_open=True)
        object.__setattr__(self, "sigma_px", sigma)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Blur the image."""
        return np.asarray(
            cv2.GaussianBlur(image, (0, 0), sigmaX=generator.uniform(*self.sigma_px)), np.uint8
        )


@AUGMENTATIONS.register("motion-blur")
@dataclass(frozen=True, slots=True)
class MotionBlur:
    """The mean along a straight line of any direction: a face or camera that moved.

    Attributes:
        length_px: Length of the line in pixels, in [1, 100].
    """

    length_px: Interval = (2.0, 9.0)

    def __post_init__(self) -> None:
        length = check_interval("length_px", self.length_px, low=1, high=100)
        object.__setattr__(self, "length_px", length)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Blur the image along a line."""
        length, angle = generator.uniform(*self.length_px), generator.uniform(0, math.pi)
        return np.asarray(cv2.filter2D(image, -1, line_kernel(length, angle)), np.uint8)


def line_kernel(length_px: float, angle_rad: float) -> npt.NDArray[np.float32]:
    """Weights of pixels along a centred line, drawn at 16 times the resolution and averaged.

    Args:
        length_px: Length of the line, at least 1.
        angle_rad: Its direction, clockwise from the x axis.

    Returns:
        (k, k) with odd k, just large enough for a line of that length; the sum is 1.
    """
    reach, fine = math.ceil((length_px - 1) / 2), 16
    size = (2 * reach + 1) * fine
    half = (length_px - 1) / 2 * fine
    middle = (size - 1) / 2
    dx, dy = half * math.cos(angle_rad), half * math.sin(angle_rad)
    ends = [(round(middle + sign * dx), round(middle + sign * dy)) for sign in (-1, 1)]
    canvas = np.zeros((size, size), np.float32)
    cv2.line(canvas, ends[0], ends[1], 1.0, thickness=fine)
    kernel = cv2.resize(canvas, (2 * reach + 1,) * 2, interpolation=cv2.INTER_AREA)
    return np.asarray(kernel / kernel.sum())


@AUGMENTATIONS.register("jpeg")
@dataclass(frozen=True, slots=True)
class Jpeg:
    """Write as JPEG and read again.

    Attributes:
        quality: libjpeg's quality, whole numbers in [1, 100].
    """

    quality: Interval = (25, 90)

    def __post_init__(self) -> None:
        quality = check_interval("quality", self.quality, low=1, high=100)
        if not all(end.is_integer() for end in quality):
            raise InputError(f"quality must be two whole numbers, got {self.quality!r}")
        object.__setattr__(self, "quality", quality)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Compress the image."""
        low, high = self.quality
        quality = int(generator.integers(int(low), int(high), endpoint=True))
        # OpenCV takes BGR; with the channels as they are, red would get blue's weight in luma.
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, written = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
        return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR_RGB), np.uint8)


@AUGMENTATIONS.register("noise")
@dataclass(frozen=True, slots=True)
class Noise:
    """Gaussian noise on every pixel and channel: a sensor in the dark.

    One random byte a value picks one of 256 equally likely values of the normal distribution, five
    times as fast as exact draws; the largest lie at 2.9 standard deviations.

    Attributes:
        sigma: Standard deviation in steps of 255, in [0, 255].
    """

    sigma: Interval = (2.0, 14.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", check_interval("sigma", self.sigma, low=0, high=255))

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Add noise to the image."""
        values = np.rint(_QUANTILES * generator.uniform(*self.sigma)).astype(np.int16)
        noise = cv2.LUT(generator.integers(0, 256, image.shape, np.uint8), values)
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
