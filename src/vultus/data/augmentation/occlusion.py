"""Augmentations that hide a part of the face: mask, sunglasses, erase."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation.base import AUGMENTATIONS, Interval, check_interval
from vultus.data.paint import (
    Plane,
    Points,
    face_points,
    landmark_template,
    lay_over,
    outline,
    smooth_outline,
    stroke,
)

Fill = Literal["noise", "colour", "mean"]

# Cloth, surgical and respirator masks as one sees them: RGB.
_MASK_COLOURS = np.array(
    [[150, 200, 225], [235, 240, 242], [35, 36, 40], [120, 190, 175], [230, 190, 200],
     [60, 75, 120], [130, 130, 135], [245, 245, 238]], np.float32
)  # fmt: skip

# The right half from the nose's bridge to the chin: units of (distance between the eyes, distance
# from the eyes' line to the mouth's), from the point between the eyes.
_MASK_HALF = np.array(
    [[0.0, 0.34], [-0.36, 0.5], [-0.86, 0.56], [-0.95, 0.95], [-0.72, 1.42], [-0.32, 1.74]]
)
_MASK_CHIN = 1.8

# Outlines of the right lens from its inner upper corner: units of the distance between the eyes,
# from the middle of the lens. Rectangular, aviator, round.
_LENSES = np.array([
    [[0.36, -0.22], [0.0, -0.24], [-0.4, -0.22], [-0.42, 0.0],
     [-0.36, 0.22], [0.0, 0.26], [0.33, 0.2], [0.38, 0.0]],
    [[0.34, -0.2], [0.0, -0.24], [-0.4, -0.2], [-0.42, 0.05],
     [-0.28, 0.34], [-0.02, 0.42], [0.22, 0.28], [0.34, 0.02]],
    [[0.23, -0.23], [0.0, -0.32], [-0.23, -0.23], [-0.32, 0.0],
     [-0.23, 0.23], [0.0, 0.32], [0.23, 0.23], [0.32, 0.0]],
])  # fmt: skip


@AUGMENTATIONS.register("mask")
@dataclass(frozen=True, slots=True)
class Mask:
    """A mask over nose, mouth and chin, of varying shape, colour, shading, pleats and loops.

    Only for aligned crops, and only before they are moved: the face is taken to be where the
    template puts it.

    Attributes:
        template: Name of a template with landmarks, the one that the crops were made with.
        top: Where the mask's edge crosses the nose, from the eyes' line (0) to the nose's tip
            (1); above 1 the nose shows. In [0, 1.5].
    """

    template: str = "arcface-112"
    top: Interval = (0.3, 1.0)

    def __post_init__(self) -> None:
        landmark_template(self.template)
        object.__setattr__(self, "top", check_interval("top", self.top, low=0, high=1.5))

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Paint a mask on a copy of the image."""
        places = face_points(image, landmark_template(self.template))
        shape = _mask_outline(places, generator.uniform(*self.top), generator)
        plane: Plane = np.zeros(image.shape[:2], np.uint8)
        loops = plane.copy()
        _draw_loops(loops, shape, generator)
        outline(plane, smooth_outline(shape))
        colour = _MASK_COLOURS[generator.integers(len(_MASK_COLOURS))] + generator.normal(0, 12, 3)
        image = lay_over(image, loops, np.clip(colour + 10, 0, 255), opacity=0.8)
        return lay_over(image, plane, _cloth(image, places, colour, generator))


def _mask_outline(places: Points, top: float, generator: np.random.Generator) -> Points:
    """(11, 2) points of the mask's edge: from the top in the middle round by the chin."""
    eyes, mouth = places[:2].mean(axis=0), places[3:].mean(axis=0)
    across, down = places[1] - places[0], mouth - eyes
    half = _MASK_HALF.copy()
    half[:2, 1] += top * (places[2] - eyes) @ down / (down @ down) - half[0, 1]
    half += generator.normal(0, 0.025, half.shape)
    half[0, 0] = 0
    mirrored = half[:0:-1] * (-1, 1)
    chin = [[0.0, _MASK_CHIN + generator.normal(0, 0.05)]]
    units = np.concatenate([half, chin, mirrored])
    return np.asarray(eyes + units[:, :1] * across + units[:, 1:] * down)


def _draw_loops(plane: Plane, shape: Points, generator: np.random.Generator) -> None:
    """The bands from the upper and lower corners to the ears."""
    across = shape[-2] - shape[2]
    up = np.array([across[1], -across[0]])
    thickness = max(1.0, plane.shape[0] / 112 * generator.uniform(1.0, 2.0))
    slant = generator.uniform(0.02, 0.12)
    for upper, lower, side in ((shape[2], shape[4], -1), (shape[-2], shape[-4], 1)):
        ear = upper + 0.3 * side * across + slant * up
        stroke(plane, np.array([upper, ear]), thickness_px=thickness)
        stroke(plane, np.array([lower, ear - 0.1 * up]), thickness_px=thickness)


def _cloth(
    image: Image, places: Points, colour: npt.NDArray[np.float64], generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """(h, w, 3) float32 in [0, 255]: the mask's colour, darker to the sides, with pleats."""
    height, width = image.shape[:2]
    x = (np.arange(width) - places[2, 0]) / np.linalg.norm(places[1] - places[0])
    y = np.arange(height) * (112 / height)
    light = 1 - generator.uniform(0.1, 0.45) * x**2 + generator.uniform(-0.2, 0.2) * x
    pleats = generator.uniform(0, 0.12) * np.sin(y * generator.uniform(0.4, 0.9))
    shade = (light[None, :] + pleats[:, None]).astype(np.float32)
    return np.asarray(np.clip(shade[..., None] * colour.astype(np.float32), 0, 255))


@AUGMENTATIONS.register("sunglasses")
@dataclass(frozen=True, slots=True)
class Sunglasses:
    """Dark glasses over both eyes, of varying shape, size, tint, opacity and frame.

    Only for aligned crops, and only before they are moved: the face is taken to be where the
    template puts it.

    Attributes:
        template: Name of a template with landmarks, the one that the crops were made with.
        opacity: How much of the eyes the lenses hide, in [0, 1]; 1 hides all.
        size: Factor of the lenses' size, in (0, 3].
    """

    template: str = "arcface-112"
    opacity: Interval = (0.75, 1.0)
    size: Interval = (0.85, 1.15)

    def __post_init__(self) -> None:
        landmark_template(self.template)
        opacity = check_interval("opacity", self.opacity, low=0, high=1)
        size = check_interval("size", self.size, low=0, high=3, low_open=True)
        object.__setattr__(self, "opacity", opacity)
        object.__setattr__(self, "size", size)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Paint glasses on a copy of the image."""
        places = face_points(image, landmark_template(self.template))
        lenses, frame = _glasses_planes(image, places, generator.uniform(*self.size), generator)
        tint = generator.uniform(0, 45) + generator.normal(0, 8, 3)
        rim = generator.uniform(0, 110) + generator.normal(0, 12, 3)
        opacity = generator.uniform(*self.opacity)
        fade = np.linspace(0, generator.uniform(0, 60), image.shape[0])[:, None, None]
        shade = np.broadcast_to(np.clip(tint + fade, 0, 255), image.shape)
        image = lay_over(image, lenses, shade, opacity=opacity)
        return lay_over(image, frame, np.clip(rim, 0, 255))


def _glasses_planes(
    image: Image, places: Points, size: float, generator: np.random.Generator
) -> tuple[Plane, Plane]:
    """Where the lenses are, and where frame, bridge and arms are."""
    across = places[1] - places[0]
    down = np.array([-across[1], across[0]])
    unit = size * (_LENSES[generator.integers(len(_LENSES))] + generator.normal(0, 0.012, (8, 2)))
    drop = generator.uniform(0.0, 0.12)
    lenses: Plane = np.zeros(image.shape[:2], np.uint8)
    frame = lenses.copy()
    thickness = image.shape[0] / 112 * generator.uniform(1.0, 3.0)
    inner, outer = [], []
    for eye, side in ((places[0], 1), (places[1], -1)):
        shape = eye + drop * down + unit[:, :1] * side * across + unit[:, 1:] * down
        edge = smooth_outline(shape)
        outline(lenses, edge)
        stroke(frame, np.concatenate([edge, edge[:1]]), thickness_px=thickness)
        inner.append(shape[0] * 0.6 + shape[-1] * 0.4)
        outer.append(shape[2] * 0.7 + shape[3] * 0.3)
    stroke(frame, np.array(inner), thickness_px=thickness)
    stroke(
        frame, np.array([outer[0], outer[0] - 0.35 * across - 0.06 * down]), thickness_px=thickness
    )
    stroke(
        frame, np.array([outer[1], outer[1] + 0.35 * across - 0.06 * down]), thickness_px=thickness
    )
    return lenses, frame


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
