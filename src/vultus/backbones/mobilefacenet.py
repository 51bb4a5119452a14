"""MobileFaceNet (Chen et al., CCBR 2018, arXiv 1804.07573): under a million parameters."""

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import Tensor, nn

from vultus.backbones.base import (
    Backbone,
    BackboneInfo,
    Published,
    check_input_hw,
    register_backbone,
)
from vultus.core.errors import InputError

Activation = Literal["prelu", "relu"]

STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Expansion, channels, repeats and stride of the bottlenecks, table 1 of the paper."""


class Bottleneck(nn.Module):
    """Widen (1x1) - depthwise 3x3 - narrow (1x1, linear), with a shortcut where shapes agree.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        expansion: Channels inside, as a multiple of those in.
        stride: Of the depthwise convolution.
        activation: Makes the activation for a number of channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int,
        stride: int,
        activation: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        inside = expansion * in_channels
        self.layers = nn.Sequential(
            *_convolution(in_channels, inside, kernel=1),
            activation(inside),
            *_convolution(inside, inside, kernel=3, stride=stride, groups=inside),
            activation(inside),
            *_convolution(inside, out_channels, kernel=1),
        )
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, maps: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, ceil(h / stride), ceil(w / stride))."""
        out: Tensor = self.layers(maps)
        return maps + out if self.has_shortcut else out


class MobileFaceNet(Backbone):
    """Depthwise convolutions throughout; the last map is weighed position by position (GDConv).

    Few multiply-adds, but depthwise convolutions are bound by memory: on a CPU it trains slower
    than dense nets of several times its size.

    Args:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 16.
        activation: ``"prelu"`` (the paper's choice) or ``"relu"`` (trains faster on a CPU).
    """

    def __init__(
        self,
        *,
        dim: int = 128,
        input_hw: tuple[int, int] = (112, 112),
        activation: Activation = "prelu",
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=16))
        activate = _activation(activation)
        height, width = (-(-length // 16) for length in self.input_hw)
        self.stem = nn.Sequential(
            *_convolution(3, 64, kernel=3, stride=2),
            activate(64),
            *_convolution(64, 64, kernel=3, groups=64),
            activate(64),
        )
        self.stages = nn.Sequential(*_bottlenecks(64, activation=activate))
        self.widen = nn.Sequential(*_convolution(STAGES[-1][1], 512, kernel=1), activate(512))
        self.weigh = nn.Sequential(
            nn.Conv2d(512, 512, (height, width), groups=512, bias=False), nn.BatchNorm2d(512)
        )
        self.project = nn.Sequential(nn.Linear(512, dim, bias=False), nn.BatchNorm1d(dim))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        maps = self.widen(self.stages(self.stem(images)))
        features: Tensor = self.project(self.weigh(maps).flatten(1))
        return features


def _activation(name: Activation) -> Callable[[int], nn.Module]:
    if name == "prelu":
        return nn.PReLU
    if name == "relu":
        return lambda channels: nn.ReLU()
    raise InputError(f"activation must be 'prelu' or 'relu', got {name!r}")


def _bottlenecks(in_channels: int, *, activation: Callable[[int], nn.Module]) -> list[Bottleneck]:
    blocks = []
    for expansion, channels, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            blocks.append(
                Bottleneck(
                    in_channels,
                    channels,
                    expansion=expansion,
                    stride=first_stride if repeat == 0 else 1,
                    activation=activation,
                )
            )
            in_channels = channels
    return blocks


def _convolution(
    in_channels: int, out_channels: int, *, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return convolution, nn.BatchNorm2d(out_channels)


PAPER = "Chen et al., MobileFaceNets, CCBR 2018"
register_backbone(
    "mobilefacenet",
    BackboneInfo(
        PAPER,
        "1804.07573",
        parameters=Published(0.99e6, "the paper"),
        macs=Published(221e6, "the paper"),
        note="993,344 parameters when normalisation is folded into the convolutions",
    ),
)(MobileFaceNet)
register_backbone(
    "mobilefacenet-relu",
    BackboneInfo(PAPER, "1804.07573", note="ReLU in place of PReLU: faster on a CPU"),
)(partial(MobileFaceNet, activation="relu"))
