"""Aligned faces: what goes into an embedder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.errors import InputError
from vultus.core.rows import Rows, freeze_arrays


@dataclass(frozen=True, slots=True, eq=False)
class AlignedCrops(Rows):
    """Faces of one or several images, warped to a template.

    Attributes:
        pixels: (n, h, w, 3) uint8, RGB; h and w are the template's size, e.g. 112 x 112.
        transforms: (n, 2, 3) float32; each maps a point of its source image to the crop:
            ``crop_xy = M[:, :2] @ image_xy + M[:, 2]`` (pixel centres at integer coordinates).
        template: Name of the template, e.g. ``"arcface-112"``.

    Raises:
        InputError: If dtypes or shapes do not match.
    """

    pixels: npt.NDArray[np.uint8]
    transforms: npt.NDArray[np.float32]
    template: str

    def __post_init__(self) -> None:
        check_array("pixels", self.pixels, dtype=np.uint8, shape=("n", "h", "w", 3))
        check_array("transforms", self.transforms, dtype=np.float32, shape=(len(self.pixels), 2, 3))
        if not self.template:
            raise InputError(f"template must be a template's name, got {self.template!r}")
        freeze_arrays(self)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of every crop in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    @classmethod
    def _check_alike(cls, parts: Sequence[Self]) -> None:
        kinds = {(part.template, part.size_hw) for part in parts}
        if len(kinds) > 1:
            raise InputError(f"crops must be of one template and size, got {sorted(kinds)}")
