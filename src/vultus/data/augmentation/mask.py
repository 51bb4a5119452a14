"""A face mask painted on an aligned face."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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

# Cloth, surgical and respirator masks as one sees them: RGB.
_COLOURS = np.array(
    [[150, 200, 225], [235, 240, 242], [35, 36, 40], [120, 190, 175], [230, 190, 200],
     [60, 75, 120], [130, 130, 135], [245, 245, 238]], np.float32
)  # fmt: skip

# The right half from the nose's bridge to the chin: units of (distance between the eyes, distance
# from the eyes' line to the mouth's), from the point between the eyes.
_HALF = np.array(
    [[0.0, 0.34], [-0.36, 0.5], [-0.86, 0.56], [-0.95, 0.95], [-0.72, 1.42], [-0.32, 1.74]]
)
_CHIN = 1.8


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
        colour = _COLOURS[generator.integers(len(_COLOURS))] + generator.normal(0, 12, 3)
        image = lay_over(image, loops, np.clip(colour + 10, 0, 255), opacity=0.8)
        return lay_over(image, plane, _cloth(image, places, colour, generator))


def _mask_outline(places: Points, top: float, generator: np.random.Generator) -> Points:
    """(11, 2) points of the mask's edge: from the top in the middle round by the chin."""
    eyes, mouth = places[:2].mean(axis=0), places[3:].mean(axis=0)
    across, down = places[1] - places[0], mouth - eyes
    half = _HALF.copy()
    half[:2, 1] += top * (places[2] - eyes) @ down / (down @ down) - half[0, 1]
    half += generator.normal(0, 0.025, half.shape)
    half[0, 0] = 0
    mirrored = half[:0:-1] * (-1, 1)
    chin = [[0.0, _CHIN + generator.normal(0, 0.05)]]
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
