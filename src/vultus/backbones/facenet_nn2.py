"""NN2 of FaceNet: Inception with L2 pooling (Schroff et al., CVPR 2015, table 2)."""

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

SMALLEST = 1e-6  # under the root, where its slope would be infinite; float16 still holds it


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
