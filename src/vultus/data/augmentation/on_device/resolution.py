"""Batched low resolution, blur, motion blur, noise."""

import math
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from vultus.data.augmentation.on_device.base import (
    BANK_SIZE,
    change,
    device_generator,
    draw_bank,
    on_device,
    per_row,
    spread,
    transform_rows,
)
from vultus.data.augmentation.resolution import (
    DOWN,
    UP,
    Blur,
    LowResolution,
    MotionBlur,
    Noise,
    line_kernel,
)

Matrix = npt.NDArray[np.float32]


@change.register(Blur)
@change.register(LowResolution)
def _separable(
    step: Blur | LowResolution, images: Tensor, generator: np.random.Generator
) -> Tensor:
    height, width = images.shape[-2:]
    index = draw_bank(images, generator)
    along_height = _matrices(step, height, images.device).index_select(0, index)
    along_width = _matrices(step, width, images.device).index_select(0, index)
    # Bicubic and Lanczos weights are in part negative.
    return transform_rows(images, along_height, along_width).clamp_(0, 255)


@change.register
def _motion_blur(step: MotionBlur, images: Tensor, generator: np.random.Generator) -> Tensor:
    n, v, c, h, w = images.shape
    kernels = _line_kernels(step, images.device)
    reach = kernels.shape[-1] // 2
    lines, columns = (_reflected(length, reach, images.device) for length in (h, w))
    padded = images.reshape(1, n * v * c, h, w)[:, :, lines[:, None], columns]
    chosen = kernels.index_select(0, draw_bank(images, generator))
    weights = chosen.repeat_interleave(v * c, dim=0)[:, None]
    return F.conv2d(padded, weights, groups=n * v * c).reshape(images.shape)


@change.register
def _noise(step: Noise, images: Tensor, generator: np.random.Generator) -> Tensor:
    """Exact normal values, not 256 of them; the same in all views."""
    sigma = per_row(generator.uniform(*step.sigma, len(images)), images)
    noise = torch.empty_like(images[:, :1], memory_format=torch.contiguous_format)
    noise.normal_(generator=device_generator(images.device, generator))
    return torch.addcmul(images, noise, sigma).clamp_(0, 255)


@lru_cache(maxsize=16)
def _matrices(step: Blur | LowResolution, length: int, device: torch.device) -> Tensor:
    """(BANK_SIZE, length, length); an entry's draws are the same for every length."""
    draws = np.random.default_rng(0)
    if isinstance(step, Blur):
        made = [_blur_matrix(sigma, length) for sigma in spread(step.sigma_px, draws)]
    else:
        scales = spread(step.scale, draws)
        # Every pair of interpolations equally often.
        pairs = draws.permutation(BANK_SIZE) % (len(DOWN) * len(UP))
        made = [
            _resampling_matrix(scale, DOWN[pair // len(UP)], UP[pair % len(UP)], length)
            for scale, pair in zip(scales, pairs, strict=True)
        ]
    return on_device(np.stack(made), device)


def _blur_matrix(sigma_px: float, length: int) -> Matrix:
    taps = round(sigma_px * 6 + 1) | 1  # what cv2.GaussianBlur takes for bytes
    identity = np.eye(length, dtype=np.float32)
    return np.asarray(cv2.GaussianBlur(identity, (1, taps), sigmaX=sigma_px, sigmaY=sigma_px))


def _resampling_matrix(scale: float, down: int, up: int, length: int) -> Matrix:
    identity = np.eye(length, dtype=np.float32)
    small = max(1, round(length * scale))
    shrunk = cv2.resize(identity, (length, small), interpolation=down)
    return np.asarray(cv2.resize(shrunk, (length, length), interpolation=up))


@lru_cache(maxsize=8)
def _line_kernels(step: MotionBlur, device: torch.device) -> Tensor:
    """(BANK_SIZE, k, k): lines of all lengths and directions, padded to the longest one's size."""
    draws = np.random.default_rng(0)
    lengths, angles = spread(step.length_px, draws), spread((0, math.pi), draws)
    made = [line_kernel(*drawn) for drawn in zip(lengths, angles, strict=True)]
    largest = max(len(kernel) for kernel in made)
    return on_device(
        np.stack([np.pad(kernel, (largest - len(kernel)) // 2) for kernel in made]), device
    )


@lru_cache(maxsize=16)
def _reflected(length: int, reach: int, device: torch.device) -> Tensor:
    """(length + 2 * reach,) indices that continue an axis as OpenCV's reflect-101 border does."""
    return on_device(np.pad(np.arange(length), reach, mode="reflect"), device)
