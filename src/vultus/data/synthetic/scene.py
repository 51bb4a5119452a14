"""What the parts of a synthetic face are drawn on."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image
from vultus.data.paint import Plane, Points, outline, smooth_outline, stroke
from vultus.data.synthetic.conditions import Conditions
from vultus.data.synthetic.identity import Colour, SyntheticIdentity
from vultus.data.synthetic.view import View

NEUTRAL = 128
"""Value of the relief where it changes nothing."""


@dataclass
class Scene:
    """An image in the making: painted from back to front, lit at the end.

    Attributes:
        view: Places in pixels.
        identity: Who is shown.
        conditions: How.
        details: Draws what means nothing: background, clothes, strands.
        pixels: (h, w, 3) uint8, the colours in even light.
        relief: (h, w) uint8: folds and hollows, darker or lighter than `NEUTRAL`; it is softened
            and multiplied in with the light.
    """

    view: View
    identity: SyntheticIdentity
    conditions: Conditions
    details: np.random.Generator
    pixels: Image
    relief: Plane = field(init=False)

    def __post_init__(self) -> None:
        self.relief = np.full(self.pixels.shape[:2], NEUTRAL, np.uint8)

    def fill(self, points: Points, colour: Colour, *, smooth: int = 0) -> None:
        """Fill a polygon of pixels; ``smooth`` > 1 rounds it with that many steps a side."""
        outline(
            self.pixels, smooth_outline(points, steps=smooth) if smooth else points, value=colour
        )

    def line(self, points: Points, colour: Colour, *, width: float) -> None:
        """Draw an open line ``width`` head units wide."""
        stroke(self.pixels, points, thickness_px=width * self.view.scale_px, value=colour)

    def dent(self, points: Points, factor: float) -> None:
        """Darken (factor < 1) or lighten a polygon of the relief."""
        outline(self.relief, points, value=_relief(factor))

    def fold(self, points: Points, factor: float, *, width: float) -> None:
        """Darken or lighten along an open line ``width`` head units wide."""
        thickness = width * self.view.scale_px
        stroke(self.relief, points, thickness_px=thickness, value=_relief(factor))


def mirrored(half: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A closed outline from its half at the image's right, top to bottom: ``(2 k, d)``.

    Points on the middle line stand in both halves; that does not harm a filled polygon.
    """
    right = np.asarray(half, np.float64)
    left = right[::-1].copy()
    left[:, 0] *= -1
    return np.concatenate([right, left])


def shaded(colour: Colour, factor: float) -> Colour:
    """The colour, darker or lighter, within [0, 255]."""
    red, green, blue = (min(255.0, channel * factor) for channel in colour)
    return red, green, blue


def _relief(factor: float) -> float:
    return min(255.0, max(0.0, NEUTRAL * factor))
