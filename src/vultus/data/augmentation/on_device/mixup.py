"""Batched mixup."""

import numpy as np
from torch import Tensor

from vultus.data.augmentation.mixup import Mixup
from vultus.data.augmentation.on_device.base import change, on_device, per_row


@change.register
def _mixup(step: Mixup, images: Tensor, generator: np.random.Generator) -> Tensor:
    """Every row with another one of the rows given; one row alone stays as it is."""
    order = generator.permutation(len(images))
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)  # one cycle through all rows: none meets itself
    share = per_row(generator.beta(step.alpha, step.alpha, len(images)), images)
    others = images.index_select(0, on_device(partner, images.device))
    return others.lerp_(images, share)
