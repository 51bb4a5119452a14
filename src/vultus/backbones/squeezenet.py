"""SqueezeNet for faces: the fire modules of version 1.1 under a head for 112 x 112 crops."""

import torch
from torch import Tensor, nn

from vultus.backbones.base import (
    Backbone,
    BackboneInfo,
    Published,
    check_input_hw,
    register_backbone,
)
from vultus.backbones.convolution import ConvReLU

STAGES = (
    ((16, 64), (16, 64)),
    ((32, 128), (32, 128)),
    ((48, 192), (48, 192), (64, 256), (64, 256)),
)
"""Squeeze and expand widths of the fire modules, by stage; a pooling stands before each stage."""


class Fire(nn.Module):
    """A 1x1 squeeze, then 1x1 and 3x3 convolutions side by side.

    Args:
        in_channels: Channels in.
        squeeze: Channels after the squeeze.
        expand: Channels of each of the two that follow; twice as many come out.
        batch_norm: Normalise after each convolution.
    """

    def __init__(self, in_channels: int, squeeze: int, *, expand: int, batch_norm: bool) -> None:
        super().__init__()
        self.squeeze = ConvReLU(in_channels, squeeze, 1, batch_norm=batch_norm)
        self.expand1 = ConvReLU(squeeze, expand, 1, batch_norm=batch_norm)
        self.expand3 = ConvReLU(squeeze, expand, 3, batch_norm=batch_norm)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, 2 expand, h, w)."""
        squeezed = self.squeeze(maps)
        return torch.cat([self.expand1(squeezed), self.expand3(squeezed)], dim=1)


@register_backbone(
    "squeezenet",
    BackboneInfo(
        "Iandola et al., SqueezeNet, 2016 (version 1.1)",
        "1602.07360",
        parameters=Published(
            1.24e6, "SqueezeNet 1.1 as its authors released it, with 1,000 classes"
        ),
        note="batch normalisation and a depthwise head in place of the 1,000 classes (0.51 M)",
    ),
)
class SqueezeNet(Backbone):
    """The convolutions of SqueezeNet 1.1, then one weight for each place and channel, and a map.

    The global average of the original gives every place the same weight; in an aligned face the
    places differ, so the head weighs them channel by channel (as MobileFaceNet does).

    Args:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.
        batch_norm: Normalise after each convolution, as margin losses want it; the paper does not.
    """

    def __init__(
        self,
        *,
        dim: int = 256,
        input_hw: tuple[int, int] = (112, 112),
        batch_norm: bool = True,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))
        layers: list[nn.Module] = [ConvReLU(3, 64, 3, stride=2, batch_norm=batch_norm)]
        channels = 64
        for stage in STAGES:
            layers.append(nn.MaxPool2d(3, 2, padding=1))
            for squeeze, expand in stage:
                layers.append(Fire(channels, squeeze, expand=expand, batch_norm=batch_norm))
                channels = 2 * expand
        self.layers = nn.Sequential(*layers)
        height, width = (-(-length // 16) for length in self.input_hw)
        self.places = nn.Conv2d(channels, channels, (height, width), groups=channels, bias=False)
        self.places_bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, dim, bias=False)
        self.features = nn.BatchNorm1d(dim)
        # A free scale per feature would undo what the losses do about lengths.
        self.features.weight.requires_grad = False

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        vector = self.places_bn(self.places(self.layers(images))).flatten(1)
        features: Tensor = self.features(self.fc(vector))
        return features
