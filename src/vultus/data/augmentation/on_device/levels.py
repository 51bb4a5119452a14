"""Batched posterise."""

import numpy as np
import torch
from torch import Tensor

from vultus.data.augmentation.levels import PATTERN, Posterise
from vultus.data.augmentation.on_device.base import change, device_generator, on_device, per_row
from vultus.data.augmentation.photometric import RGB_TO_YIQ


@change.register
def _posterise(step: Posterise, images: Tensor, generator: np.random.Generator) -> Tensor:
    n, _, _, height, width = images.shape
    low, high = step.levels
    steps = per_row(generator.integers(int(low), int(high), n, endpoint=True) - 1.0, images)
    grey = per_row(generator.uniform(0, 1, n) < step.grey, images)
    way = generator.uniform(0, 1, n)
    luma = torch.from_numpy(RGB_TO_YIQ[0].astype(np.float32)).to(images.device)
    plain = torch.einsum("nvchw,c->nvhw", images, luma)[:, :, None]
    toned = torch.where(grey, plain, images).round_()
    tiles = np.tile(PATTERN, (-(-height // 4), -(-width // 4)))[:height, :width]
    limits = torch.empty(n, 1, 1, height, width, device=images.device)
    limits.uniform_(generator=device_generator(images.device, generator))
    limits = torch.where(
        per_row(way < step.dither / 2, images), on_device(tiles, images.device), limits
    )
    limits = limits.masked_fill(per_row(way >= step.dither, images), 0.5)
    rounded = torch.floor(toned * (steps / 255) + limits)
    return torch.minimum(rounded.clamp_min_(0), steps) * (255 / steps)
