"""Batched mask, sunglasses, erase."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vultus.data.augmentation.occlusion import Erase, Mask, Sunglasses
from vultus.data.augmentation.on_device.base import (
    BANK_SIZE,
    change,
    device_generator,
    draw_bank,
    on_device,
    within,
)


@change.register(Mask)
@change.register(Sunglasses)
def _overlay(step: Mask | Sunglasses, images: Tensor, generator: np.random.Generator) -> Tensor:
    height, width = images.shape[-2:]
    keep, add = _overlays(step, (height, width), images.device)
    index = draw_bank(images, generator)
    return torch.addcmul(add.index_select(0, index), images, keep.index_select(0, index))


@lru_cache(maxsize=8)
def _overlays(
    step: Mask | Sunglasses, size_hw: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """(BANK_SIZE, 1, 1, h, w) share of the image that stays, (BANK_SIZE, 1, 3, h, w) what is added.

    Painting is linear in the image, so what it does to black and to white says all.
    """
    black = np.stack([_painted(step, size_hw, 0, seed) for seed in range(BANK_SIZE)])
    white = np.stack([_painted(step, size_hw, 255, seed) for seed in range(BANK_SIZE)])
    # The share is the same in all channels; their mean is less coarse than one rounded value.
    keep = (white.astype(np.float32) - black).mean(axis=3) / 255
    add = black.astype(np.float32).transpose(0, 3, 1, 2)
    return on_device(keep, device)[:, None, None], on_device(add, device)[:, None]


def _painted(
    step: Mask | Sunglasses, size_hw: tuple[int, int], value: int, seed: int
) -> npt.NDArray[np.uint8]:
    return step(np.full((*size_hw, 3), value, np.uint8), np.random.default_rng(seed))


@change.register
def _erase(step: Erase, images: Tensor, generator: np.random.Generator) -> Tensor:
    height, width = images.shape[-2:]
    area = generator.uniform(*step.area, len(images)) * height * width
    low, high = (math.log(end) for end in step.aspect)
    aspect = np.exp(generator.uniform(low, high, len(images)))
    lines = _span(np.sqrt(area * aspect), height, images.device, generator)
    columns = _span(np.sqrt(area / aspect), width, images.device, generator)
    erased = (lines[:, :, None] & columns[:, None, :])[:, None, None]
    return torch.where(erased, _fill(step, images, generator), images)


def _span(
    lengths: npt.NDArray[np.float64],
    limit: int,
    device: torch.device,
    generator: np.random.Generator,
) -> Tensor:
    """(n, limit) bool: a stretch of every length, anywhere; one too long is cut off."""
    whole = np.clip(np.rint(lengths), 1, limit).astype(np.int64)
    return within(generator.integers(limit - whole + 1), whole, limit, device)


def _fill(step: Erase, images: Tensor, generator: np.random.Generator) -> Tensor:
    """What the rectangles show, to be broadcast with the images; noise is the same in all views."""
    if step.fill == "mean":
        return images.mean(dim=(3, 4), keepdim=True)
    if step.fill == "colour":
        colours = generator.integers(0, 256, (len(images), 3)).astype(np.float32)
        return on_device(colours, images.device)[:, None, :, None, None]
    noise = torch.empty_like(images[:, :1], memory_format=torch.contiguous_format)
    return noise.random_(0, 256, generator=device_generator(images.device, generator))
