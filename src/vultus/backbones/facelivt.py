"""FaceLiVT (Setyawan et al., ICIP 2025, arXiv 2506.10361), its second version (arXiv 2604.09127).

Convolutions that are two in training and one afterwards; in the later stages matrices over the
places, learnt as they are, stand where attention would compute them for every image.
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from vultus.backbones.base import (
    Backbone,
    BackboneInfo,
    Published,
    check_input_hw,
    register_backbone,
)
from vultus.core.errors import InputError

DEPTHS = (3, 3, 9, 3)
"""Blocks of the stages; those of the last two mix all places."""

HEAD_WIDTH = 1284
"""Channels before every place of the last maps is weighed."""


class MergeableNorm(nn.BatchNorm2d):
    """Batch normalisation that says what it does to a kernel in front of it."""

    def gain_and_shift(self) -> tuple[Tensor, Tensor]:
        """(channels,) each: what maps are multiplied with in eval mode, and what is added."""
        if self.running_mean is None or self.running_var is None:
            raise InputError("a normalisation can be merged only with running statistics")
        gain = self.weight / (self.running_var + self.eps).sqrt()
        return gain, self.bias - self.running_mean * gain


class MergedConvolution(nn.Module):
    """Convolutions of 3 x 3 and 1 x 1 side by side, normalised, perhaps beside a shortcut.

    All of that is linear, so in eval mode it is one convolution of 3 x 3 (Ding et al., RepVGG, CVPR
    2021, arXiv 2101.03697), in an export, too.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        stride: Step of the windows.
        depthwise: Every channel by itself; ``in_channels`` and ``out_channels`` are equal.
        shortcut: Add what comes in; needs ``depthwise`` and stride 1.
    """

    centre: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        depthwise: bool = False,
        shortcut: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.groups = stride, in_channels if depthwise else 1
        self.shortcut = shortcut
        # Without bias: the normalisation behind would take it away.
        self.window = nn.Conv2d(
            in_channels, out_channels, 3, stride, padding=1, groups=self.groups, bias=False
        )
        self.point = nn.Conv2d(in_channels, out_channels, 1, groups=self.groups, bias=False)
        self.norm = MergeableNorm(out_channels)
        centre = functional.pad(torch.ones(1, 1, 1, 1), (1, 1, 1, 1))
        self.register_buffer("centre", centre, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, ceil(h / stride), ceil(w / stride))."""
        if not self.training:
            kernel, shift = self.merged()
            return functional.conv2d(maps, kernel, shift, self.stride, 1, 1, self.groups)
        # Not a stride of the convolution itself: its gradient for three channels that are last in
        # memory writes beyond its own memory (torch 2.13 on a CPU).
        places = maps[:, :, :: self.stride, :: self.stride]
        out: Tensor = self.norm(self.window(maps) + self.point(places))
        return maps + out if self.shortcut else out

    def merged(self) -> tuple[Tensor, Tensor]:
        """Kernel and bias of the one convolution."""
        gain, shift = self.norm.gain_and_shift()
        kernel = (self.window.weight + self.point.weight * self.centre) * gain.view(-1, 1, 1, 1)
        return kernel + self.centre if self.shortcut else kernel, shift


class Perceptron(nn.Module):
    """To twice the channels and back, at every place by itself, beside a shortcut.

    Args:
        channels: Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_pointwise(channels, 2 * channels), nn.GELU(), *_pointwise(2 * channels, channels)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> the same shape."""
        out: Tensor = maps + self.layers(maps)
        return out


class PlaceMixing(nn.Module):
    """Multi-head linear attention, the light one: a learnt matrix over the places for each head.

    Where attention computes its weights from the image, these are the same for all; aligned faces
    have their parts at the same places.

    Args:
        channels: Channels in and out.
        hw: Height and width of the maps.
        heads: Groups of channels with a matrix of their own; divides ``channels``.
    """

    def __init__(self, channels: int, *, hw: tuple[int, int], heads: int = 4) -> None:
        super().__init__()
        places = hw[0] * hw[1]
        # Lengths as numbers: an export would compute them from the image's shape otherwise.
        self.shape, self.split_shape = (channels, *hw), (heads, channels // heads, places)
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.weight = nn.Parameter(torch.empty(heads, places, places))
        self.bias = nn.Parameter(torch.zeros(heads, 1, places))
        self.branch_weight = nn.Parameter(torch.full((channels, 1, 1), 1e-2))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> the same shape."""
        rows = (maps * self.gain + self.shift).reshape(-1, *self.split_shape)
        mixed = rows @ self.weight.transpose(1, 2) + self.bias
        branch: Tensor = mixed.reshape(-1, *self.shape) * self.branch_weight
        return maps + branch


class FaceLiVT(Backbone):
    """A hybrid for phones: merged convolutions, then also matrices over all places.

    Args:
        widths: Channels of the four stages; 4 divides the last two, 2 the first.
        depths: Blocks of the four stages.
        head_width: Channels before every place of the last maps is weighed.
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.

    Raises:
        InputError: If a setting does not fit.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int],
        depths: Sequence[int] = DEPTHS,
        head_width: int = HEAD_WIDTH,
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 112),
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))
        _check_sizes(widths, depths, head_width)
        layers: list[nn.Module] = [
            MergedConvolution(3, widths[0] // 2, stride=2),
            nn.GELU(),
            MergedConvolution(widths[0] // 2, widths[0], stride=2),
        ]
        for stage, (channels, depth) in enumerate(zip(widths, depths, strict=True)):
            if stage:
                layers += _halving(widths[stage - 1], channels)
            for _ in range(depth):
                layers.append(MergedConvolution(channels, channels, depthwise=True, shortcut=True))
                if stage > 1:
                    layers.append(PlaceMixing(channels, hw=self._map_hw(stage)))
                layers.append(Perceptron(channels))
        self.stages = nn.Sequential(*layers)
        self.weigh = nn.Sequential(
            *_pointwise(widths[-1], head_width),
            nn.Conv2d(head_width, head_width, self._map_hw(3), groups=head_width, bias=False),
            nn.BatchNorm2d(head_width),
        )
        self.project = nn.Linear(head_width, dim)
        nn.init.zeros_(self.project.bias)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        features: Tensor = self.project(self.weigh(self.stages(images)).flatten(1))
        return features

    def _map_hw(self, stage: int) -> tuple[int, int]:
        height, width = (math.ceil(length / 2 ** (stage + 2)) for length in self.input_hw)
        return height, width


def _halving(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        MergedConvolution(in_channels, in_channels, stride=2, depthwise=True),
        *_pointwise(in_channels, out_channels),
        Perceptron(out_channels),
    ]


def _pointwise(in_channels: int, out_channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)


def _check_sizes(widths: Sequence[int], depths: Sequence[int], head_width: int) -> None:
    if len(widths) != 4 or len(depths) != 4:
        raise InputError(f"widths and depths must be four each, got {widths} and {depths}")
    if min(widths) < 1 or min(depths) < 1 or head_width < 1:
        raise InputError(
            f"widths, depths and head_width must be at least 1, got {widths}, {depths} and "
            f"{head_width}"
        )
    if widths[0] % 2 or widths[2] % 4 or widths[3] % 4:
        raise InputError(
            f"the first of widths must be divisible by 2, the last two by 4, got {widths}"
        )


_PAPER = "Setyawan et al., FaceLiVTv2, 2026"
_SOURCE = "the authors' README"
SIZES: dict[str, tuple[tuple[int, int, int, int], float, float, str]] = {
    "xs": (
        (32, 64, 128, 256),
        2.9e6,
        90e6,
        "the authors' code has 2,969,552 parameters when merged, and as many multiply-adds as here",
    ),
    "s": (
        (48, 96, 192, 320),
        4.62e6,
        179e6,
        "4,621,424 parameters when merged; the authors' code has as many multiply-adds as here, "
        "and 320 channels at the end where their table says 384",
    ),
    "m": (
        (56, 112, 224, 448),
        7.04e6,
        258e6,
        "the authors' code has as many multiply-adds as here",
    ),
    "l": (
        (64, 128, 256, 512),
        8.52e6,
        309e6,
        "the authors' code has 8,825,360 parameters when merged, and as many multiply-adds as here",
    ),
}
"""Widths, published parameters and multiply-adds, and what is to be said of them, by size."""

for size, (widths, parameters, macs, note) in SIZES.items():
    register_backbone(
        f"facelivtv2-{size}",
        BackboneInfo(
            _PAPER,
            "2604.09127",
            parameters=Published(parameters, _SOURCE),
            macs=Published(macs, _SOURCE),
            note=note,
        ),
    )(partial(FaceLiVT, widths=widths))
