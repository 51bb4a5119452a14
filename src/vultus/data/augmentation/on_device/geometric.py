"""Batched flip, crop, affine, stretch."""

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from vultus.data.augmentation.geometric import Affine, Crop, Flip, Stretch, aligned_scales
from vultus.data.augmentation.on_device.base import change, on_device, transform_rows, within
from vultus.data.paint import landmark_template, points_at

Lengths = npt.NDArray[np.int64]


@change.register
def _flip(step: Flip, images: Tensor, generator: np.random.Generator) -> Tensor:
    return images.flip(-1)


@change.register
def _crop(step: Crop, images: Tensor, generator: np.random.Generator) -> Tensor:
    height, width = images.shape[-2:]
    lines, columns = (_part(step, length, len(images), generator) for length in (height, width))
    device = images.device
    if step.outside == "stretch":
        return transform_rows(
            images, _stretch(*lines, height, device), _stretch(*columns, width, device)
        )
    kept_lines, kept_columns = within(*lines, height, device), within(*columns, width, device)
    return images * (kept_lines[:, :, None] & kept_columns[:, None, :])[:, None, None]


@change.register
def _affine(step: Affine, images: Tensor, generator: np.random.Generator) -> Tensor:
    n, v, c, h, w = images.shape
    maps = on_device(_affine_maps(step, images, generator), images.device)
    planes = images.reshape(n, v * c, h, w)
    grid = F.affine_grid(maps, [n, v * c, h, w], align_corners=False)
    moved = F.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved.reshape(images.shape)


@change.register
def _stretched(step: Stretch, images: Tensor, generator: np.random.Generator) -> Tensor:
    height, width = images.shape[-2:]
    points = points_at((height, width), landmark_template(step.template))
    low, high = map(math.log, step.factor)
    scales = aligned_scales(points, np.exp(generator.uniform(low, high, len(images))))
    x, y = points.mean(axis=0)
    along_width = _scaled(scales[:, 0], float(x), width, images.device)
    return transform_rows(
        images, _scaled(scales[:, 1], float(y), height, images.device), along_width
    )


def _scaled(
    scales: npt.NDArray[np.float64], middle: float, length: int, device: torch.device
) -> Tensor:
    """(n, length, length): bilinear weights about a place; beyond the edges it is mirrored."""
    last = length - 1
    places = (np.arange(length) - middle) / scales[:, None] + middle
    mirrored = last - np.abs(last - np.mod(places, 2 * last)) if last else np.zeros_like(places)
    source, old = on_device(mirrored, device), torch.arange(length, device=device)
    return torch.relu_(1 - (source[:, :, None] - old).abs())


def _part(
    step: Crop, length: int, count: int, generator: np.random.Generator
) -> tuple[Lengths, Lengths]:
    """(count,) first pixel and number of pixels of the kept part, along one axis."""
    kept = np.rint(length * generator.uniform(*step.side, count)).astype(np.int64)
    kept = np.maximum(1, kept)
    return generator.integers(length - kept + 1), kept


def _stretch(start: Lengths, kept: Lengths, length: int, device: torch.device) -> Tensor:
    """(n, length, length): bilinear weights that enlarge the part, as cv2.resize has them."""
    first, count = (on_device(values, device)[:, None] for values in (start, kept))
    places = torch.arange(length, device=device)
    source = (places + 0.5) * (count / length) - 0.5
    source = torch.minimum(source.clamp_min(0), count - 1) + first
    return torch.relu_(1 - (source[:, :, None] - places).abs())


def _affine_maps(
    step: Affine, images: Tensor, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """(n, 2, 3): from places in the result to places in the image, in units of `affine_grid`."""
    n, (height, width) = len(images), images.shape[-2:]
    angle = np.radians(generator.uniform(-step.rotation_deg, step.rotation_deg, n))
    scale = generator.uniform(*step.scale, n)
    shift = 2 * generator.uniform(-step.shift, step.shift, (2, n))  # of a side that is 2 long
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    # cv2.getRotationMatrix2D turns counter-clockwise with y downward; this is its inverse.
    linear = np.array([[cosine, -sine * height / width], [sine * width / height, cosine]])
    moved = -np.einsum("ijn,jn->in", linear, shift)
    return np.concatenate([linear, moved[:, None]], axis=1).transpose(2, 0, 1)
