"""What all batched augmentations share: dispatch, draws on their way to the device, banks."""

from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vultus.core.errors import InputError
from vultus.data.augmentation.base import Interval, Transform

BANK_SIZE = 256
"""How many kernels or overlays are made once per settings and size, for rows to pick from."""


@singledispatch
def change(step: Transform, images: Tensor, generator: np.random.Generator) -> Tensor:
    """Change every row of a batch, each with its own draws; dispatches on the step's class.

    Args:
        step: An augmentation's settings.
        images: (n, v, 3, h, w) float32 RGB in [0, 255] on any device, at least one row; not
            changed. All v views of a row are changed alike.
        generator: What the draws come from, on the CPU: the same on every device.

    Returns:
        The same shape and device; beyond [0, 255] by no more than float32's rounding.

    Raises:
        InputError: If the step has no batched version.
    """
    raise _no_batched_version(step)


def check_batched(step: Transform) -> None:
    """Check that the step has a batched version, without calling it.

    Raises:
        InputError: If it has none.
    """
    if change.dispatch(type(step)) is change.dispatch(object):
        raise _no_batched_version(step)


def on_device(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Send an array to a device without waiting for it; floats become float32."""
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if device.type == "cuda":
        tensor = tensor.pin_memory()  # from other memory the copy may wait for the device
    return tensor.to(device, non_blocking=True)


def per_row(values: npt.NDArray[Any], images: Tensor) -> Tensor:
    """(n,) values as (n, 1, 1, 1, 1) beside the images, to be broadcast with them."""
    return on_device(values, images.device).reshape(-1, 1, 1, 1, 1)


def draw_bank(images: Tensor, generator: np.random.Generator) -> Tensor:
    """(n,) int64 beside the images: which of a bank's `BANK_SIZE` entries each row takes."""
    return on_device(generator.integers(BANK_SIZE, size=len(images)), images.device)


def spread(interval: Interval, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """(BANK_SIZE,) values in random order, spread over the interval without gaps."""
    low, high = interval
    places = (generator.permutation(BANK_SIZE) + 0.5) / BANK_SIZE
    return np.asarray(low + (high - low) * places)


def device_generator(device: torch.device, generator: np.random.Generator) -> torch.Generator:
    """A generator on the device for large noise; it gives other values on another kind of device.

    Its seed comes from the generator given.
    """
    return torch.Generator(device).manual_seed(int(generator.integers(2**63)))


def within(
    start: npt.NDArray[np.int64], count: npt.NDArray[np.int64], length: int, device: torch.device
) -> Tensor:
    """(n, length) bool on the device: True from each ``start`` on, ``count`` places long."""
    first, end = (on_device(values, device)[:, None] for values in (start, start + count))
    places = torch.arange(length, device=device)
    return (places >= first) & (places < end)


def transform_rows(images: Tensor, along_height: Tensor, along_width: Tensor) -> Tensor:
    """Multiply every row's planes with that row's two matrices.

    Args:
        images: (n, v, 3, h, w) float32.
        along_height: (n, h, h): every new line as weights of the old ones.
        along_width: (n, w, w): every new column as weights of the old ones.

    Returns:
        (n, v, 3, h, w), a view of transposed memory.
    """
    n, v, c, h, w = images.shape
    wide = torch.bmm(images.reshape(n, v * c * h, w), along_width.transpose(1, 2))
    # One product per row, not per plane: a row's planes share its matrices.
    turned = wide.reshape(n, v * c, h, w).transpose(2, 3).reshape(n, v * c * w, h)
    high = torch.bmm(turned, along_height.transpose(1, 2))
    return high.reshape(n, v, c, w, h).transpose(3, 4)


def _no_batched_version(step: Transform) -> InputError:
    names = sorted(kind.__name__ for kind in change.registry if kind is not object)
    return InputError(
        f"augmentation must have a batched version, {type(step).__name__} has none "
        f"(there are: {', '.join(names)}); set data.on_device = false"
    )
