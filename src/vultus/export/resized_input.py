"""A network that takes the crops of its template, though it was trained on smaller ones."""

import cv2
import numpy as np
import torch
from torch import Tensor

from vultus.backbones.base import Backbone


class ResizedInput(Backbone):
    """Resizes crops as the trainer did, and hands them on.

    Resizing is linear in the pixels, so it is two matrices: what OpenCV makes of single pixels. The
    trainer's crops were rounded to whole grey levels behind it; these are not.

    Args:
        backbone: The network.
        crop_hw: Height and width of the crops.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, backbone: Backbone, *, crop_hw: tuple[int, int]) -> None:
        super().__init__(dim=backbone.dim, input_hw=crop_hw)
        self.backbone = backbone
        height, width = backbone.input_hw
        shrinks = crop_hw[0] * crop_hw[1] > height * width
        self.register_buffer("rows", _matrix(crop_hw[0], height, shrinks=shrinks))
        self.register_buffer("columns", _matrix(crop_hw[1], width, shrinks=shrinks).T.contiguous())

    def compute(self, images: Tensor) -> Tensor:
        """Features of (b, 3, h, w) images of the crops' size."""
        features: Tensor = self.backbone(self.rows @ images @ self.columns)
        return features


def _matrix(length: int, wanted: int, *, shrinks: bool) -> Tensor:
    """(wanted, length): what resizing does along one axis."""
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    pixels = np.eye(length, dtype=np.float32)
    return torch.from_numpy(cv2.resize(pixels, (length, wanted), interpolation=method))
