"""Where a face comes to lie in a crop."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError

_Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LandmarkTemplate:
    """Five fixed places that a face's landmarks are laid onto as well as a similarity can.

    Attributes:
        name: What model cards and crops call it.
        size_hw: Height and width of the crop in pixels.
        points_xy: The places ``x y`` in pixels of the crop, in the order of
            `vultus.core.faces.LANDMARK_NAMES`.
    """

    name: str
    size_hw: tuple[int, int]
    points_xy: tuple[_Point, _Point, _Point, _Point, _Point]

    @property
    def points(self) -> npt.NDArray[np.float64]:
        """(5, 2) float64: the places as an array."""
        return np.array(self.points_xy, np.float64)


@dataclass(frozen=True, slots=True)
class MarginTemplate:
    """The detector's box and a margin, stretched to a square; landmarks are not used.

    Attributes:
        name: What model cards and crops call it.
        size: Height and width of the crop in pixels.
        margin_px: Pixels of the crop, both sides together, that lie outside of the box.

    Raises:
        InputError: If the margin leaves nothing for the box.
    """

    name: str
    size: int
    margin_px: int

    def __post_init__(self) -> None:
        check_positive_int("size", self.size)
        check_range("margin_px", self.margin_px, low=0, high=self.size, high_open=True)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the crop in pixels."""
        return self.size, self.size


CropTemplate = LandmarkTemplate | MarginTemplate

ARCFACE_POINTS: tuple[_Point, _Point, _Point, _Point, _Point] = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
_SPHEREFACE_POINTS: tuple[_Point, _Point, _Point, _Point, _Point] = (
    (30.2946, 51.6963),
    (65.5318, 51.5014),
    (48.0252, 71.7366),
    (33.5493, 92.3655),
    (62.7299, 92.2041),
)

TEMPLATES: Mapping[str, CropTemplate] = MappingProxyType(
    {
        template.name: template
        for template in (
            LandmarkTemplate("arcface-112", (112, 112), ARCFACE_POINTS),
            LandmarkTemplate("sphereface-112x96", (112, 96), _SPHEREFACE_POINTS),
            MarginTemplate("facenet-160", 160, 44),
        )
    }
)
"""The templates by name: that of ArcFace (arXiv:1801.07698), that of SphereFace and CosFace
(arXiv:1704.08063; the same places, 8 px cut off at the left and the right), and the crop of FaceNet
(arXiv:1503.03832), which uses no landmarks."""


def crop_template(name: str) -> CropTemplate:
    """The template of that name.

    Raises:
        InputError: If there is none.
    """
    if name not in tuple(TEMPLATES):  # a recipe may hold what has no hash
        raise InputError(f"template must be one of {', '.join(TEMPLATES)}, got {name!r}")
    return TEMPLATES[name]
