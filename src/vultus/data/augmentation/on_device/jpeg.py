"""Batched JPEG: its losses without its bytes.

As libjpeg at its defaults does it: ITU-R BT.601's YCbCr, colour at half the resolution (means of
2 x 2, enlarged bilinearly), the discrete cosine transform of 8 x 8 blocks, the tables of ITU-T
T.81, Annex K. Only the rounding to bytes in between is left out.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vultus.data.augmentation.on_device.base import change, on_device
from vultus.data.augmentation.resolution import Jpeg

Matrix = npt.NDArray[np.float64]

# T.81, tables K.1 and K.2.
_LUMA = np.array(
    [[16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
     [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
     [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
     [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99]]
)  # fmt: skip
_CHROMA = np.full((8, 8), 99)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# Y in [0, 255] less 128, Cb and Cr about 0 (JFIF).
_RGB_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)


@change.register
def _jpeg(step: Jpeg, images: Tensor, generator: np.random.Generator) -> Tensor:
    device, (height, width) = images.device, images.shape[-2:]
    low, high = step.quality
    quality = generator.integers(int(low), int(high), len(images), endpoint=True)
    to_ycc, to_rgb = _colour_matrices(device)
    planes = _mix_channels(images, to_ycc)
    lost = []
    for plane, base in ((planes[:, :, :1] - 128, _LUMA), (planes[:, :, 1:], _CHROMA)):
        steps = on_device(_quantisation(base, quality), device)
        halved = base is _CHROMA
        there_h, back_h = _axis_matrices(height, halved, device)
        there_w, back_w = _axis_matrices(width, halved, device)
        coefficients = there_h @ (plane @ there_w.T)
        lost.append(back_h @ (_quantised(coefficients, steps) @ back_w.T))
    luma = lost[0].add_(128).clamp_(0, 255)
    return _mix_channels(torch.cat([luma, lost[1]], dim=2), to_rgb).clamp_(0, 255)


def _mix_channels(images: Tensor, matrix: Tensor) -> Tensor:
    """(n, v, 3, h, w) times (3, 3), over the channels."""
    return torch.matmul(matrix, images.flatten(3)).reshape(images.shape)


def _quantised(coefficients: Tensor, steps: Tensor) -> Tensor:
    """Round (n, v, c, H, W) coefficients to multiples of their row's (n, 8, 8) steps."""
    n, v, c, height, width = coefficients.shape
    blocks = coefficients.reshape(n, v, c, height // 8, 8, width // 8, 8)
    steps = steps[:, None, None, None, :, None, :]
    return (blocks / steps).round_().mul_(steps).reshape(coefficients.shape)


def _quantisation(base: npt.NDArray[np.int64], quality: npt.NDArray[np.int64]) -> Matrix:
    """(n, 8, 8): the table at every quality, by libjpeg's jpeg_set_quality."""
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((base * percent[:, None, None] + 50) // 100, 1, 255).astype(np.float64)


@lru_cache(maxsize=4)
def _colour_matrices(device: torch.device) -> tuple[Tensor, Tensor]:
    return on_device(_RGB_TO_YCC, device), on_device(np.linalg.inv(_RGB_TO_YCC), device)


@lru_cache(maxsize=16)
def _axis_matrices(length: int, halved: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """(k, length) pixels to coefficients along one axis, (length, k) back.

    Both also continue the edge to whole blocks and cut off again; halved ones shrink and enlarge.
    """
    whole = -(-length // 16) * 16
    there = np.eye(length)[np.minimum(np.arange(whole), length - 1)]
    back = np.eye(length, whole)
    if halved:
        there, back = _mean_of_pairs(whole) @ there, back @ _enlargement(whole)
    cosines = np.kron(np.eye(len(there) // 8), _cosines())
    return on_device(cosines @ there, device), on_device(back @ cosines.T, device)


def _cosines() -> Matrix:
    """(8, 8): the orthonormal type-II discrete cosine transform (T.81, A.3.3)."""
    frequency, place = np.mgrid[:8, :8]
    matrix = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix)


def _mean_of_pairs(length: int) -> Matrix:
    """(length / 2, length)."""
    return np.asarray(np.kron(np.eye(length // 2), [[0.5, 0.5]]), np.float64)


def _enlargement(length: int) -> Matrix:
    """(length, length / 2): three quarters of the nearest, a quarter of the next nearest."""
    half = np.eye(length // 2)
    before, after = half[[0, *range(length // 2 - 1)]], half[[*range(1, length // 2), -1]]
    lines = np.stack([0.75 * half + 0.25 * before, 0.75 * half + 0.25 * after], axis=1)
    return np.asarray(lines.reshape(length, length // 2), np.float64)
