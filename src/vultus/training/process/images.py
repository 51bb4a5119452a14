"""From uint8 crops to what a backbone takes."""

import torch
from torch import Tensor

from vultus.data.loading.batch import FaceBatch
from vultus.training.recipe.config import InputConfig


def normalise(images: Tensor, config: InputConfig, *, channels_last: bool = True) -> Tensor:
    """``(images - mean) / std`` as float32, on the images' device.

    Args:
        images: (b, 3, h, w) uint8 RGB.
        config: Mean and std.
        channels_last: Memory layout of the result.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    floats = images.to(torch.float32).contiguous(memory_format=layout)
    return floats.sub_(config.mean).div_(config.std)


def to_device(batch: FaceBatch, device: torch.device) -> FaceBatch:
    """The batch's tensors on a device (``indices`` stay where they are)."""
    clean = None if batch.clean is None else batch.clean.to(device, non_blocking=True)
    readable = None if batch.readable is None else batch.readable.to(device, non_blocking=True)
    return batch._replace(
        images=batch.images.to(device, non_blocking=True),
        labels=batch.labels.to(device, non_blocking=True),
        clean=clean,
        readable=readable,
    )
