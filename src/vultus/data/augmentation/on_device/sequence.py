"""Applies a recipe's sequence of augmentations to a batch where it lies."""

import numpy as np
import torch
from torch import Tensor

from vultus.core.errors import InputError
from vultus.data.augmentation.on_device.base import change, check_batched, on_device
from vultus.data.augmentation.sequence import Augmentation


@torch.no_grad()
def augment_batch(
    augmentation: Augmentation, images: Tensor, generator: np.random.Generator
) -> Tensor:
    """Augment a batch: the steps in order, each on the rows that its probability picks.

    A ``shared`` step changes all views of a row alike, another one only view 0. The CPU never
    waits for the device. A seed gives the same draws on every device, except for the values of
    noise.

    Args:
        augmentation: What is done.
        images: (b, v, 3, h, w) float32 RGB in [0, 255], v views of every image: 0 is the
            student's, 1, if there, the teacher's. Not changed.
        generator: What every random number is drawn from.

    Returns:
        (b, v, 3, h, w) float32 in [0, 255], not rounded; the images themselves where no step was
        applied.

    Raises:
        InputError: If the images are of another kind, or a step has no batched version.

    Example:
        >>> from vultus.data.augmentation import AugmentationStep, Flip
        >>> flip = Augmentation((AugmentationStep(Flip(), 1.0),))
        >>> images = torch.arange(4.0).expand(1, 1, 3, 2, 4)
        >>> augment_batch(flip, images, np.random.default_rng(0))[0, 0, 0, 0]
        tensor([3., 2., 1., 0.])
    """
    _check(images)
    for step in augmentation.steps:
        check_batched(step.transform)
    drawn = generator.random((len(images), len(augmentation.steps)))
    result = images
    # Half precision, as a training step may have it on, is too coarse for 256 grey levels.
    with torch.autocast(images.device.type, enabled=False):
        for step, chances in zip(augmentation.steps, drawn.T, strict=True):
            rows = np.flatnonzero(chances < step.probability)
            if not rows.size:
                continue
            if result is images:
                result = images.clone(memory_format=torch.contiguous_format)
            views = result if step.shared else result[:, :1]
            index = on_device(rows, images.device)
            views.index_copy_(
                0, index, change(step.transform, views.index_select(0, index), generator)
            )
    return result if result is images else result.clamp_(0, 255)


def _check(images: Tensor) -> None:
    wanted = "images must be float32 of shape (b, v, 3, h, w), all lengths but b at least 1"
    if not isinstance(images, Tensor):
        raise InputError(f"{wanted}, got {type(images).__name__}")
    right = images.dtype == torch.float32 and images.ndim == 5 and images.shape[2] == 3
    if not right or 0 in images.shape[1:]:
        dtype = str(images.dtype).removeprefix("torch.")
        raise InputError(f"{wanted}, got {dtype} of shape {tuple(images.shape)}")
