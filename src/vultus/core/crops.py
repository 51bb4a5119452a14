"""Aligned faces: what goes into an embedder."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, frozen
from vultus.core.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class AlignedCrops:
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
        object.__setattr__(self, "pixels", frozen(self.pixels))
        object.__setattr__(self, "transforms", frozen(self.transforms))

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of every crop in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: Any) -> "AlignedCrops":
        """Select crops by int, slice, mask or index array; the result is always `AlignedCrops`."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"crop {index} of {len(self)}")
            index = [int(index)]
        return AlignedCrops(self.pixels[index], self.transforms[index], self.template)

    @staticmethod
    def concatenate(parts: "list[AlignedCrops]") -> "AlignedCrops":
        """Join crops of the same template and size.

        Raises:
            InputError: If the list is empty, or templates or sizes differ.
        """
        if not parts:
            raise InputError("concatenate needs at least one AlignedCrops, got an empty list")
        kinds = {(part.template, part.size_hw) for part in parts}
        if len(kinds) > 1:
            raise InputError(f"crops must be of one template and size, got {sorted(kinds)}")
        return AlignedCrops(
            np.concatenate([part.pixels for part in parts]),
            np.concatenate([part.transforms for part in parts]),
            parts[0].template,
        )
