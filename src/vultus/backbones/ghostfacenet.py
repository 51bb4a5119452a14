"""GhostFaceNetV1 (Alansari et al., IEEE Access 2023): GhostNet with a head for faces.

Half of the maps of every ghost module come from a convolution, the other half from a cheap
depthwise convolution of those (Han et al., GhostNet, CVPR 2020, arXiv 1911.11907).
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vultus.backbones.base import (
    Backbone,
    BackboneInfo,
    Published,
    check_input_hw,
    register_backbone,
)
from vultus.core.checks import check_range
from vultus.core.errors import InputError


class Stage(NamedTuple):
    """One ghost bottleneck at width 1.

    Attributes:
        kernel: Side of its depthwise convolutions.
        inside: Channels inside.
        out: Channels out.
        attends: Whether squeeze and excitation weighs its channels.
        stride: 1 or 2.
    """

    kernel: int
    inside: int
    out: int
    attends: bool
    stride: int


STAGES = tuple(
    Stage(*row)
    for row in (
        (3, 16, 16, False, 1),
        (3, 48, 24, False, 2),
        (3, 72, 24, False, 1),
        (5, 72, 40, True, 2),
        (5, 120, 40, True, 1),
        (3, 240, 80, False, 2),
        (3, 200, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 480, 112, True, 1),
        (3, 672, 112, True, 1),
        (5, 672, 160, True, 2),
        (5, 960, 160, False, 1),
        (5, 960, 160, True, 1),
        (5, 960, 160, False, 1),
        (5, 512, 160, True, 1),
    )
)
"""The bottlenecks as GhostFaceNetV1's published code has them."""


class GhostModule(nn.Module):
    """(b, in, h, w) -> (b, out, h, w): a 1x1 convolution, and a depthwise one of what it gives.

    Args:
        in_channels: Channels in.
        out_channels: Channels out, even.
        activates: Whether PReLU follows both.
    """

    def __init__(self, in_channels: int, out_channels: int, *, activates: bool) -> None:
        super().__init__()
        half = out_channels // 2
        self.primary = _convolution(in_channels, half, kernel=1, activates=activates)
        self.cheap = _convolution(half, half, kernel=3, groups=half, activates=activates)

    def forward(self, maps: Tensor) -> Tensor:
        """The maps of both, side by side."""
        primary = self.primary(maps)
        return torch.cat([primary, self.cheap(primary)], dim=1)


class SqueezeExcitation(nn.Module):
    """Weighs channels by what they hold on the whole map (a quarter of the channels inside).

    Args:
        channels: Channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = _divisible(channels / 4)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, inside, 1),
            nn.PReLU(inside),
            nn.Conv2d(inside, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> the same shape."""
        weights: Tensor = self.weigh(maps)
        return maps * weights


class GhostBottleneck(nn.Module):
    """Widen - (shrink) - (weigh channels) - narrow, beside a shortcut.

    Args:
        in_channels: Channels in.
        stage: Its settings, channels as they are here.
    """

    def __init__(self, in_channels: int, stage: Stage) -> None:
        super().__init__()
        kernel, inside, out, attends, stride = stage
        layers: list[nn.Module] = [GhostModule(in_channels, inside, activates=True)]
        if stride > 1:
            layers.append(_convolution(inside, inside, kernel=kernel, stride=stride, groups=inside))
        if attends:
            layers.append(SqueezeExcitation(inside))
        layers.append(GhostModule(inside, out, activates=False))
        self.layers = nn.Sequential(*layers)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out:
            self.shortcut = nn.Sequential(
                _convolution(
                    in_channels, in_channels, kernel=kernel, stride=stride, groups=in_channels
                ),
                _convolution(in_channels, out, kernel=1),
            )

    def forward(self, maps: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out, ceil(h / stride), ceil(w / stride))."""
        wide: Tensor = self.layers(maps)
        short: Tensor = self.shortcut(maps)
        return wide + short


class GhostFaceNet(Backbone):
    """GhostFaceNetV1-width-stride: few multiply-adds for its parameters.

    Like MobileFaceNet it is made of depthwise convolutions, which a CPU computes slowly for their
    number of multiply-adds.

    Args:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.
        width: Factor of all channels, in (0, 4].
        stride: Of the first convolution: 1 sees four times as many places as 2.
    """

    def __init__(
        self,
        *,
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 112),
        width: float = 1.3,
        stride: int = 2,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))
        check_range("width", width, low=0, high=4, low_open=True)
        if stride not in (1, 2):
            raise InputError(f"stride must be 1 or 2, got {stride!r}")
        channels = _divisible(16 * width)
        self.stem = _convolution(3, channels, kernel=3, stride=stride, activates=True)
        stages = []
        for stage in STAGES:
            scaled = stage._replace(
                inside=_divisible(stage.inside * width), out=_divisible(stage.out * width)
            )
            stages.append(GhostBottleneck(channels, scaled))
            channels = scaled.out
        self.stages = nn.Sequential(*stages)
        last = _divisible(STAGES[-1].inside * width)
        self.widen = _convolution(channels, last, kernel=1, activates=True)
        height, width_px = (-(-length // (16 * stride)) for length in self.input_hw)
        self.weigh = nn.Sequential(
            nn.Conv2d(last, last, (height, width_px), groups=last, bias=False),
            nn.BatchNorm2d(last),
        )
        self.project = nn.Sequential(nn.Linear(last, dim, bias=False), nn.BatchNorm1d(dim))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        maps = self.widen(self.stages(self.stem(images)))
        features: Tensor = self.project(self.weigh(maps).flatten(1))
        return features


def _divisible(channels: float) -> int:
    """The nearest multiple of 4, but never less than nine tenths (the papers' rule)."""
    rounded = max(4, int(channels + 2) // 4 * 4)
    return rounded + 4 if rounded < 0.9 * channels else rounded


def _convolution(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activates: bool = False,
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out_channels),
    ]
    if activates:
        layers.append(nn.PReLU(out_channels))
    return nn.Sequential(*layers)


_PAPER = "Alansari et al., GhostFaceNets, IEEE Access 2023"
register_backbone(
    "ghostfacenetv1-1",
    BackboneInfo(
        _PAPER,
        parameters=Published(4.09e6, "the paper, running statistics counted"),
        note="width 1.3; 4,088,300 numbers with running statistics",
    ),
)(partial(GhostFaceNet, stride=1))
register_backbone(
    "ghostfacenetv1-2",
    BackboneInfo(
        _PAPER,
        macs=Published(60e6, "the paper's abstract: 60 to 275 million, from the smallest up"),
        note="width 1.3; a quarter of the places of ghostfacenetv1-1",
    ),
)(GhostFaceNet)
