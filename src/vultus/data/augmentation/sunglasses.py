"""Sunglasses painted on an aligned face."""

from dataclasses import dataclass

import numpy as np

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
        lenses, frame = _planes(image, places, generator.uniform(*self.size), generator)
        tint = generator.uniform(0, 45) + generator.normal(0, 8, 3)
        rim = generator.uniform(0, 110) + generator.normal(0, 12, 3)
        opacity = generator.uniform(*self.opacity)
        fade = np.linspace(0, generator.uniform(0, 60), image.shape[0])[:, None, None]
        shade = np.broadcast_to(np.clip(tint + fade, 0, 255), image.shape)
        image = lay_over(image, lenses, shade, opacity=opacity)
        return lay_over(image, frame, np.clip(rim, 0, 255))


def _planes(
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
