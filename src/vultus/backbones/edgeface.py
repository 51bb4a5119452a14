"""EdgeFace (George et al., IEEE T-BIOM 2024, arXiv 2307.01838): EdgeNeXt with matrices of low rank.

The trunk is EdgeNeXt (Maaz et al., ECCV Workshops 2022, arXiv 2206.10589): depthwise convolutions
before a perceptron over channels, and a last block of each stage that attends across channels.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

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
from vultus.core.checks import check_range
from vultus.core.errors import InputError

KERNELS = (3, 5, 7, 9)
"""Sides of the depthwise convolutions of the four stages."""

PARTS = (2, 2, 3, 4)
"""Groups of channels of a stage's attending block."""

_POSITION_CHANNELS = 32
_EPSILON = 1e-6
_BRANCH_WEIGHT = 1e-6
"""Start of the weights of a branch's channels: at first a block is its shortcut."""


class LowRankLinear(nn.Module):
    """A matrix as the product of two narrow ones (the paper's LoRaLin).

    Args:
        features_in: Length of what comes in.
        features_out: Length of what goes out.
        rank: Length in between.
        bias: Whether something is added at the end.
    """

    def __init__(self, features_in: int, features_out: int, *, rank: int, bias: bool) -> None:
        super().__init__()
        self.linear1 = nn.Linear(features_in, rank, bias=False)
        self.linear2 = nn.Linear(rank, features_out, bias=bias)

    def forward(self, rows: Tensor) -> Tensor:
        """(..., features_in) -> (..., features_out)."""
        product: Tensor = self.linear2(self.linear1(rows))
        return product


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of maps: every place by the mean and spread of its channels."""

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> the same shape."""
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Perceptron(nn.Module):
    """To four times the channels and back, with GELU between.

    Args:
        channels: Channels in and out.
        rank_share: Share of the full rank that the matrices have; None has them whole.
    """

    def __init__(self, channels: int, *, rank_share: float | None) -> None:
        super().__init__()
        self.fc1 = _linear(channels, 4 * channels, rank_share=rank_share)
        self.fc2 = _linear(4 * channels, channels, rank_share=rank_share)

    def forward(self, rows: Tensor) -> Tensor:
        """(..., channels) -> (..., channels)."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(rows)))
        return out


class ConvolutionBlock(nn.Module):
    """Depthwise convolution - normalisation - perceptron, weighed, beside a shortcut.

    Args:
        channels: Channels in and out.
        kernel: Side of the convolution, odd.
        rank_share: See `Perceptron`.
    """

    def __init__(self, channels: int, *, kernel: int, rank_share: float | None) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=_EPSILON)
        self.mlp = Perceptron(channels, rank_share=rank_share)
        self.gamma = nn.Parameter(torch.full((channels,), _BRANCH_WEIGHT))

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> the same shape."""
        rows = self.conv_dw(maps).permute(0, 2, 3, 1)
        branch: Tensor = self.gamma * self.mlp(self.norm(rows))
        return maps + branch.permute(0, 3, 1, 2)


class ChannelAttention(nn.Module):
    """Attention of channels to channels: its cost grows with the places and not with their square.

    Queries and keys are channels, each a unit vector over the places (El-Nouby et al., XCiT,
    NeurIPS 2021, arXiv 2106.09681).

    Args:
        channels: Channels in and out.
        heads: Groups of channels that attend among themselves; divides ``channels``.
        rank_share: See `Perceptron`.
    """

    def __init__(self, channels: int, *, heads: int, rank_share: float | None) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = _linear(channels, 3 * channels, rank_share=rank_share)
        self.proj = _linear(channels, channels, rank_share=rank_share)

    def forward(self, places: Tensor) -> Tensor:
        """(b, n, channels) -> (b, n, channels)."""
        batch, count, channels = places.shape
        shape = (batch, 3, self.heads, channels // self.heads, count)
        split = self.qkv(places).transpose(1, 2).reshape(shape)
        query, key, value = split.unbind(1)  # (b, heads, channels / heads, n)
        query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        weights = (query @ key.transpose(-2, -1) * self.temperature).softmax(dim=-1)
        mixed: Tensor = self.proj((weights @ value).flatten(1, 2).transpose(1, 2))
        return mixed


class AttendingBlock(nn.Module):
    """EdgeNeXt's split depthwise-transpose attention, beside a shortcut.

    Groups of channels go through depthwise convolutions one behind the other, each adding what the
    one before gave, all but the last group; then channels attend to channels, and a perceptron
    follows.

    Args:
        channels: Channels in and out.
        parts: Groups of channels.
        heads: Of the attention.
        rank_share: See `Perceptron`.
        position_hw: Height and width of the maps, if where a place is shall be told; else None.
    """

    def __init__(
        self,
        channels: int,
        *,
        parts: int,
        heads: int,
        rank_share: float | None,
        position_hw: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        width = math.ceil(channels / parts)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, groups=width) for _ in range(parts - 1)
        )
        self.pos_embd = None if position_hw is None else Positions(channels, hw=position_hw)
        self.norm_xca = nn.LayerNorm(channels, eps=_EPSILON)
        self.gamma_xca = nn.Parameter(torch.full((channels,), _BRANCH_WEIGHT))
        self.xca = ChannelAttention(channels, heads=heads, rank_share=rank_share)
        self.norm = nn.LayerNorm(channels, eps=_EPSILON)
        self.mlp = Perceptron(channels, rank_share=rank_share)
        self.gamma = nn.Parameter(torch.full((channels,), _BRANCH_WEIGHT))

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> the same shape."""
        mixed = self._convolved(maps)
        if self.pos_embd is not None:
            mixed = mixed + self.pos_embd()
        places = mixed.flatten(2).transpose(1, 2)
        places = places + self.gamma_xca * self.xca(self.norm_xca(places))
        branch: Tensor = self.gamma * self.mlp(self.norm(places))
        return maps + branch.transpose(1, 2).reshape(maps.shape)

    def _convolved(self, maps: Tensor) -> Tensor:
        groups = maps.chunk(len(self.convs) + 1, dim=1)
        done = [self.convs[0](groups[0])]
        for conv, group in zip(self.convs[1:], groups[1:], strict=False):
            done.append(conv(done[-1] + group))
        return torch.cat([*done, groups[-1]], dim=1)


class Positions(nn.Module):
    """Sines and cosines of a place's row and column, projected to the channels.

    Args:
        channels: Channels of the maps.
        hw: Height and width of the maps.
    """

    waves: Tensor

    def __init__(self, channels: int, *, hw: tuple[int, int]) -> None:
        super().__init__()
        self.token_projection = nn.Conv2d(2 * _POSITION_CHANNELS, channels, 1)
        # Made of the size, so not of the state dict: that may be loaded for another size.
        self.register_buffer("waves", _waves(hw), persistent=False)

    def forward(self) -> Tensor:
        """(1, channels, h, w)."""
        projected: Tensor = self.token_projection(self.waves)
        return projected


class Stage(nn.Module):
    """Halve height and width (not in the first stage), then blocks.

    Args:
        downsample: Makes the channels of the blocks.
        blocks: Of the stage, in order.
    """

    def __init__(self, downsample: nn.Module, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.downsample = downsample
        self.blocks = nn.Sequential(*blocks)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, channels, h', w')."""
        out: Tensor = self.blocks(self.downsample(maps))
        return out


class Head(nn.Module):
    """Mean of all places - normalisation - projection.

    Args:
        channels: Channels of the last maps.
        dim: Length of a feature.
        rank_share: See `Perceptron`.
    """

    def __init__(self, channels: int, dim: int, *, rank_share: float | None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=_EPSILON)
        self.fc = _linear(channels, dim, rank_share=rank_share)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> (b, dim)."""
        feature: Tensor = self.fc(self.norm(maps.mean(dim=(2, 3))))
        return feature


class EdgeFace(Backbone):
    """Depthwise convolutions and attention across channels, with few parameters.

    Names and shapes of the state dict are those of the authors' networks without ``model.`` in
    front.

    Args:
        widths: Channels of the four stages; ``heads`` divides all but the first.
        depths: Blocks of the four stages; the last of each but the first stage attends.
        heads: Of the attention across channels.
        rank_share: Share, in (0, 1], of the full rank that every matrix has (the paper's gamma);
            None has them whole.
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.

    Raises:
        InputError: If a setting does not fit.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 100, 192),
        depths: Sequence[int] = (3, 3, 9, 3),
        heads: int = 4,
        rank_share: float | None = 0.6,
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 112),
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))
        if rank_share is not None:
            check_range("rank_share", rank_share, low=0, high=1, low_open=True)
        _check_sizes(widths, depths, heads)
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 4, stride=4), ChannelNorm(widths[0], eps=_EPSILON)
        )
        # The first stage does not attend; the second, whose places are the most, tells them apart.
        hw = self.input_hw[0] // 8, self.input_hw[1] // 8
        stages = []
        for place, (channels, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks: list[nn.Module] = [
                ConvolutionBlock(channels, kernel=KERNELS[place], rank_share=rank_share)
                for _ in range(depth if place == 0 else depth - 1)
            ]
            if place:
                blocks.append(
                    AttendingBlock(
                        channels,
                        parts=PARTS[place],
                        heads=heads,
                        rank_share=rank_share,
                        position_hw=hw if place == 1 else None,
                    )
                )
            stages.append(Stage(_downsample(widths, place), blocks))
        self.stages = nn.Sequential(*stages)
        self.head = Head(widths[-1], dim, rank_share=rank_share)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        features: Tensor = self.head(self.stages(self.stem(images)))
        return features


def _downsample(widths: Sequence[int], place: int) -> nn.Module:
    if place == 0:
        return nn.Identity()
    return nn.Sequential(
        ChannelNorm(widths[place - 1], eps=_EPSILON),
        nn.Conv2d(widths[place - 1], widths[place], 2, stride=2),
    )


def _linear(features_in: int, features_out: int, *, rank_share: float | None) -> nn.Module:
    if rank_share is None:
        return nn.Linear(features_in, features_out)
    rank = max(2, int(min(features_in, features_out) * rank_share))
    return LowRankLinear(features_in, features_out, rank=rank, bias=True)


def _waves(hw: tuple[int, int]) -> Tensor:
    """(1, 64, h, w): sine and cosine of the row, then of the column, at 16 wave lengths."""
    device = torch.get_default_device()
    octaves = torch.arange(0, _POSITION_CHANNELS, 2, device=device) / _POSITION_CHANNELS
    rates = 10_000.0**-octaves
    both = []
    for length in hw:
        turns = torch.arange(1, length + 1, device=device) / (length + 1e-6)
        angles = 2 * math.pi * turns[:, None] * rates
        both.append(torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1))
    height, width = hw
    rows = both[0][:, None].expand(-1, width, -1)
    columns = both[1][None].expand(height, -1, -1)
    return torch.cat([rows, columns], dim=2).permute(2, 0, 1)[None].contiguous()


def _check_sizes(widths: Sequence[int], depths: Sequence[int], heads: int) -> None:
    if len(widths) != 4 or len(depths) != 4:
        raise InputError(f"widths and depths must be four each, got {widths} and {depths}")
    if min(depths) < 1 or min(widths) < 1 or heads < 1:
        raise InputError(
            f"widths, depths and heads must be at least 1, got {widths}, {depths} and {heads}"
        )
    odd = [width for width in widths[1:] if width % heads]
    if odd:
        raise InputError(f"heads must divide the widths behind the first, got {heads} and {odd[0]}")


_PAPER = "George et al., EdgeFace, IEEE T-BIOM 2024"
_SIZES = "the authors' README"
_COUNTS = "the authors' README; their MFLOPs, two for a multiply-add, halved"
SIZES: dict[str, tuple[dict[str, Any], float, float]] = {
    "xxs": (
        {"widths": (24, 48, 88, 168), "depths": (2, 2, 6, 2), "rank_share": None},
        1.24e6,
        94.72e6,
    ),
    "xs": ({}, 1.77e6, 154.0e6),
    "s": ({"widths": (48, 96, 160, 304), "heads": 8, "rank_share": 0.5}, 3.65e6, 306.12e6),
    "base": ({"widths": (80, 160, 288, 584), "heads": 8, "rank_share": None}, 18.23e6, 1398.83e6),
}
"""Settings, published parameters and published floating point operations by size."""

for size, (settings, parameters, operations) in SIZES.items():
    register_backbone(
        f"edgeface-{size}",
        BackboneInfo(
            _PAPER,
            "2307.01838",
            parameters=Published(parameters, _SIZES),
            macs=Published(operations / 2, _COUNTS),
        ),
    )(partial(EdgeFace, **settings))
