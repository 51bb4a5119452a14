import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from vultus.backbones.base import Backbone
from vultus.data.loading.sizing import resized
from vultus.export.resized_input import ResizedInput


class Same(Backbone):
    """Gives its input."""

    def compute(self, images: Tensor) -> Tensor:
        return images


@pytest.mark.parametrize("size_hw", [(56, 56), (56, 48), (100, 70), (130, 150)])
def test_crops_are_resized_as_the_trainer_does(size_hw: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (112, 96, 3), np.uint8)
    pixels = np.asarray(cv2.GaussianBlur(pixels, (5, 5), 2), np.uint8)
    net = ResizedInput(Same(dim=1, input_hw=size_hw), crop_hw=(112, 96))
    found = net(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())
    expected = resized(pixels, size_hw).transpose(2, 0, 1)
    assert found.shape[2:] == size_hw
    # Both round to whole grey levels; OpenCV interpolates with weights of 11 bits besides.
    most = 0.501 if size_hw[0] < 112 else 1
    assert np.abs(found[0].numpy() - expected).max() <= most
