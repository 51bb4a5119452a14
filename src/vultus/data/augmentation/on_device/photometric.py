"""Batched photometric, grey."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vultus.data.augmentation.on_device.base import change, on_device, per_row
from vultus.data.augmentation.photometric import RGB_TO_YIQ, YIQ_TO_RGB, Grey, Photometric


@change.register
def _photometric(step: Photometric, images: Tensor, generator: np.random.Generator) -> Tensor:
    n = len(images)
    gamma = generator.uniform(*step.gamma, n)
    factor = 1 + generator.uniform(-step.contrast, step.contrast, n)
    offset = generator.uniform(-step.brightness, step.brightness, n)
    # A value below 0 by float32's rounding has no power.
    toned = (images / 255).clamp_(0, 1).pow_(per_row(gamma, images))
    toned.mul_(per_row(255 * factor, images))
    toned.add_(per_row(255 * (0.5 - 0.5 * factor + offset), images)).clamp_(0, 255)
    matrices = on_device(_colour_matrices(step, n, generator), images.device)
    return _mix_channels(toned, matrices).clamp_(0, 255)


@change.register
def _grey(step: Grey, images: Tensor, generator: np.random.Generator) -> Tensor:
    luma = on_device(RGB_TO_YIQ[0], images.device).reshape(3, 1, 1)
    return (images * luma).sum(2, keepdim=True).expand_as(images)


def _colour_matrices(
    step: Photometric, count: int, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """(count, 3, 3): RGB to RGB, with a scaled turn of the colour plane."""
    scale = 1 + generator.uniform(-step.saturation, step.saturation, count)
    angle = np.radians(generator.uniform(-step.hue_deg, step.hue_deg, count))
    turn = np.zeros((count, 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = scale * np.cos(angle)
    turn[:, 2, 1] = scale * np.sin(angle)
    turn[:, 1, 2] = -turn[:, 2, 1]
    return np.asarray(YIQ_TO_RGB @ turn @ RGB_TO_YIQ)


def _mix_channels(images: Tensor, matrices: Tensor) -> Tensor:
    """(n, v, 3, h, w) times (n, 3, 3), over the channels."""
    n, v, c, h, w = images.shape
    matrices = matrices[:, None].expand(n, v, 3, 3).reshape(n * v, 3, 3)
    return torch.bmm(matrices, images.reshape(n * v, c, h * w)).reshape(images.shape)
