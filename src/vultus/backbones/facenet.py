"""The two networks of FaceNet (Schroff et al., CVPR 2015).

NN1 (table 1) is a Zeiler-Fergus network with 1x1 convolutions, NN2 (table 2) Inception with L2
pooling.
"""

import math
from typing import Literal, NamedTuple

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
from vultus.backbones.convolution import ConvReLU

FC_WIDTH = 32 * 128
SMALLEST = 1e-6  # under the root, where its slope would be infinite; float16 still holds it


class Maxout(nn.Module):
    """The larger of several linear maps, for each output (Goodfellow et al., ICML 2013).

    Args:
        in_features: Length of a vector in.
        out_features: Length of a vector out.
        pieces: Linear maps to choose from (p).
    """

    def __init__(self, in_features: int, out_features: int, *, pieces: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features * pieces)
        self.pieces = pieces
        # The larger of two standard normal numbers has a mean square of 1.
        nn.init.normal_(self.linear.weight, 0.0, 1 / math.sqrt(in_features))
        nn.init.zeros_(self.linear.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """(b, in_features) -> (b, out_features)."""
        choices = self.linear(vectors).unflatten(1, (-1, self.pieces))
        largest: Tensor = choices.amax(dim=2)
        return largest


@register_backbone(
    "facenet-nn1",
    BackboneInfo(
        "Schroff et al., FaceNet, CVPR 2015 (table 1)",
        "1503.03832",
        parameters=Published(140e6, "Schroff et al., CVPR 2015, table 1"),
        macs=Published(1.6e9, "Schroff et al., CVPR 2015, table 1"),
        note="the paper's FLPS are multiply-adds",
    ),
)
class FaceNetNN1(Backbone):
    """Table 1 of the paper: convolutions with 1x1 ones between them, then two maxout layers.

    Without the L2 normalisation at the end: losses and embedders do that.

    Args:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.
        batch_norm: Normalise after each convolution, which the paper of early 2015 does not.
    """

    def __init__(
        self,
        *,
        dim: int = 128,
        input_hw: tuple[int, int] = (220, 220),
        batch_norm: bool = False,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))

        def conv(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1) -> ConvReLU:
            return ConvReLU(in_channels, out_channels, kernel, stride=stride, batch_norm=batch_norm)

        self.convolutions = nn.Sequential(
            conv(3, 64, 7, stride=2), _pool(), _norm(),
            conv(64, 64, 1), conv(64, 192, 3), _norm(), _pool(),
            conv(192, 192, 1), conv(192, 384, 3), _pool(),
            conv(384, 384, 1), conv(384, 256, 3),
            conv(256, 256, 1), conv(256, 256, 3),
            conv(256, 256, 1), conv(256, 256, 3), _pool(),
        )  # fmt: skip
        height, width = (-(-length // 32) for length in self.input_hw)
        self.fc1 = Maxout(256 * height * width, FC_WIDTH)
        self.fc2 = Maxout(FC_WIDTH, FC_WIDTH)
        self.fc7 = nn.Linear(FC_WIDTH, dim)

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        vector = self.convolutions(images).flatten(1)
        features: Tensor = self.fc7(self.fc2(self.fc1(vector)))
        return features


class InceptionWidths(NamedTuple):
    """One row of table 2.

    Attributes:
        direct: Channels of the 1x1 branch; 0 = the branch is missing.
        reduce3: Channels before the 3x3 convolution.
        conv3: Channels of the 3x3 branch.
        reduce5: Channels before the 5x5 convolution.
        conv5: Channels of the 5x5 branch.
        pool: Kind of the pooling.
        project: Channels of the pooling branch; 0 = as many as come in.
        stride: Of the 3x3 and 5x5 convolutions and of the pooling.
    """

    direct: int
    reduce3: int
    conv3: int
    reduce5: int
    conv5: int
    pool: Literal["max", "l2"]
    project: int
    stride: int = 1


MODULES: dict[str, InceptionWidths] = {
    "3a": InceptionWidths(64, 96, 128, 16, 32, "max", 32),
    "3b": InceptionWidths(64, 96, 128, 32, 64, "l2", 64),
    "3c": InceptionWidths(0, 128, 256, 32, 64, "max", 0, 2),
    "4a": InceptionWidths(256, 96, 192, 32, 64, "l2", 128),
    "4b": InceptionWidths(224, 112, 224, 32, 64, "l2", 128),
    "4c": InceptionWidths(192, 128, 256, 32, 64, "l2", 128),
    "4d": InceptionWidths(160, 144, 288, 32, 64, "l2", 128),
    "4e": InceptionWidths(0, 160, 256, 64, 128, "max", 0, 2),
    "5a": InceptionWidths(384, 192, 384, 48, 128, "l2", 128),
    "5b": InceptionWidths(384, 192, 384, 48, 128, "max", 128),
}


class L2Pool(nn.Module):
    """Root of the mean square over a 3x3 window; height and width stay.

    The mean instead of the sum keeps the scale; the convolution behind it learns the factor 3.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)."""
        return (functional.avg_pool2d(maps.square(), 3, stride=1, padding=1) + SMALLEST).sqrt()


class Inception(nn.Module):
    """Branches side by side: 1x1, 3x3, 5x5 and a pooling, joined along the channels.

    Args:
        in_channels: Channels in.
        widths: A row of table 2.
        batch_norm: Normalise after each convolution.

    Attributes:
        out_channels: Channels out.
    """

    def __init__(self, in_channels: int, widths: InceptionWidths, *, batch_norm: bool) -> None:
        super().__init__()
        stride = widths.stride

        def branch(reduced: int, out_channels: int, kernel: int) -> nn.Module:
            return nn.Sequential(
                ConvReLU(in_channels, reduced, 1, batch_norm=batch_norm),
                ConvReLU(reduced, out_channels, kernel, stride=stride, batch_norm=batch_norm),
            )

        pooling: list[nn.Module] = [
            L2Pool() if widths.pool == "l2" else nn.MaxPool2d(3, stride, padding=1)
        ]
        if widths.project:
            pooling.append(ConvReLU(in_channels, widths.project, 1, batch_norm=batch_norm))
        branches = [
            branch(widths.reduce3, widths.conv3, 3),
            branch(widths.reduce5, widths.conv5, 5),
            nn.Sequential(*pooling),
        ]
        if widths.direct:
            branches.insert(0, ConvReLU(in_channels, widths.direct, 1, batch_norm=batch_norm))
        self.branches = nn.ModuleList(branches)
        projected = widths.project if widths.project else in_channels
        self.out_channels = widths.direct + widths.conv3 + widths.conv5 + projected

    def forward(self, maps: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, ceil(h / stride), ceil(w / stride))."""
        return torch.cat([branch(maps) for branch in self.branches], dim=1)


@register_backbone(
    "facenet-nn2",
    BackboneInfo(
        "Schroff et al., FaceNet, CVPR 2015 (table 2)",
        "1503.03832",
        parameters=Published(7.5e6, "Schroff et al., CVPR 2015, table 2"),
        macs=Published(1.6e9, "Schroff et al., CVPR 2015, table 2"),
        note="the paper's FLPS are multiply-adds",
    ),
)
class FaceNetNN2(Backbone):
    """Table 2 of the paper: a stem and ten Inception modules, average pooling, one linear layer.

    Without the L2 normalisation at the end: losses and embedders do that.

    Args:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.
        batch_norm: Normalise after each convolution, which the paper of early 2015 does not.
    """

    def __init__(
        self,
        *,
        dim: int = 128,
        input_hw: tuple[int, int] = (224, 224),
        batch_norm: bool = False,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))
        layers: list[nn.Module] = [
            ConvReLU(3, 64, 7, stride=2, batch_norm=batch_norm),
            nn.MaxPool2d(3, 2, padding=1),
            nn.LocalResponseNorm(5),
            ConvReLU(64, 64, 1, batch_norm=batch_norm),
            ConvReLU(64, 192, 3, batch_norm=batch_norm),
            nn.LocalResponseNorm(5),
            nn.MaxPool2d(3, 2, padding=1),
        ]
        channels = 192
        for widths in MODULES.values():
            module = Inception(channels, widths, batch_norm=batch_norm)
            layers.append(module)
            channels = module.out_channels
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(channels, dim)

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        features: Tensor = self.fc(self.layers(images).mean(dim=(2, 3)))
        return features


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, 2, padding=1)


def _norm() -> nn.Module:
    return nn.LocalResponseNorm(5)
