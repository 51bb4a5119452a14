"""Inception-ResNet-v1 (Szegedy et al., AAAI 2017, arXiv 1602.07261), as used for faces."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from vultus.backbones.base import Backbone, BackboneInfo, check_input_hw, register_backbone
from vultus.backbones.convolution import ConvReLU
from vultus.core.checks import check_range

_BN_EPSILON = 1e-3  # of the original; PyTorch's own is 1e-5


def _conv(
    in_channels: int,
    out_channels: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    padded: bool = True,
) -> ConvReLU:
    return ConvReLU(
        in_channels, out_channels, kernel, stride=stride, padded=padded, batch_norm=True
    )


class _Residual(nn.Module):
    """Branches side by side, a 1x1 convolution to the width that came in, scaled and added."""

    def __init__(self, channels: int, joined: int, *, scale: float, rectified: bool) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(joined, channels, 1)
        self.scale = scale
        self.rectified = rectified

    def branches(self, maps: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def forward(self, maps: Tensor) -> Tensor:
        joined = torch.cat(self.branches(maps), dim=1)
        total = maps + self.scale * self.conv2d(joined)
        return functional.relu(total) if self.rectified else total


class _Block35(_Residual):
    def __init__(self) -> None:
        super().__init__(256, 96, scale=0.17, rectified=True)
        self.branch0 = _conv(256, 32, 1)
        self.branch1 = nn.Sequential(_conv(256, 32, 1), _conv(32, 32, 3))
        self.branch2 = nn.Sequential(_conv(256, 32, 1), _conv(32, 32, 3), _conv(32, 32, 3))

    def branches(self, maps: Tensor) -> list[Tensor]:
        return [self.branch0(maps), self.branch1(maps), self.branch2(maps)]


class _Block17(_Residual):
    def __init__(self) -> None:
        super().__init__(896, 256, scale=0.10, rectified=True)
        self.branch0 = _conv(896, 128, 1)
        self.branch1 = nn.Sequential(
            _conv(896, 128, 1), _conv(128, 128, (1, 7)), _conv(128, 128, (7, 1))
        )

    def branches(self, maps: Tensor) -> list[Tensor]:
        return [self.branch0(maps), self.branch1(maps)]


class _Block8(_Residual):
    def __init__(self, *, scale: float = 0.20, rectified: bool = True) -> None:
        super().__init__(1792, 384, scale=scale, rectified=rectified)
        self.branch0 = _conv(1792, 192, 1)
        self.branch1 = nn.Sequential(
            _conv(1792, 192, 1), _conv(192, 192, (1, 3)), _conv(192, 192, (3, 1))
        )

    def branches(self, maps: Tensor) -> list[Tensor]:
        return [self.branch0(maps), self.branch1(maps)]


class _Mixed6a(nn.Module):
    """Reduction-A: 256 -> 896 channels, half the height and width."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = _conv(256, 384, 3, stride=2, padded=False)
        self.branch1 = nn.Sequential(
            _conv(256, 192, 1), _conv(192, 192, 3), _conv(192, 256, 3, stride=2, padded=False)
        )
        self.branch2 = nn.MaxPool2d(3, 2)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([self.branch0(maps), self.branch1(maps), self.branch2(maps)], dim=1)


class _Mixed7a(nn.Module):
    """Reduction-B: 896 -> 1792 channels, half the height and width."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = nn.Sequential(_conv(896, 256, 1), _conv(256, 384, 3, stride=2, padded=False))
        self.branch1 = nn.Sequential(_conv(896, 256, 1), _conv(256, 256, 3, stride=2, padded=False))
        self.branch2 = nn.Sequential(
            _conv(896, 256, 1), _conv(256, 256, 3), _conv(256, 256, 3, stride=2, padded=False)
        )
        self.branch3 = nn.MaxPool2d(3, 2)

    def forward(self, maps: Tensor) -> Tensor:
        branches = (self.branch0, self.branch1, self.branch2, self.branch3)
        return torch.cat([branch(maps) for branch in branches], dim=1)


@register_backbone(
    "inception-resnet-v1",
    BackboneInfo(
        "Szegedy et al., Inception-v4 and Inception-ResNet, AAAI 2017",
        "1602.07261",
        note="the face network of the facenet project: fewer 1x1 channels than Inception-v4, "
        "features from a linear layer and batch normalisation",
    ),
)
class InceptionResNetV1(Backbone):
    """Inception blocks whose sum is added to what came in; convolutions without padding shrink.

    Names and shapes of the state dict are those of ``InceptionResnetV1`` of facenet-pytorch
    without its classifier, so that such weights load.

    Args:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 75.
        dropout: Probability before the last layer.
    """

    def __init__(
        self,
        *,
        dim: int = 512,
        input_hw: tuple[int, int] = (160, 160),
        dropout: float = 0.0,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=75))
        self.conv2d_1a = _conv(3, 32, 3, stride=2, padded=False)
        self.conv2d_2a = _conv(32, 32, 3, padded=False)
        self.conv2d_2b = _conv(32, 64, 3)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = _conv(64, 80, 1)
        self.conv2d_4a = _conv(80, 192, 3, padded=False)
        self.conv2d_4b = _conv(192, 256, 3, stride=2, padded=False)
        self.repeat_1 = nn.Sequential(*(_Block35() for _ in range(5)))
        self.mixed_6a = _Mixed6a()
        self.repeat_2 = nn.Sequential(*(_Block17() for _ in range(10)))
        self.mixed_7a = _Mixed7a()
        self.repeat_3 = nn.Sequential(*(_Block8() for _ in range(5)))
        self.block8 = _Block8(scale=1.0, rectified=False)
        self.dropout = nn.Dropout(check_range("dropout", dropout, low=0, high=1, high_open=True))
        self.last_linear = nn.Linear(1792, dim, bias=False)
        self.last_bn = nn.BatchNorm1d(dim)
        for module in self.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.eps = _BN_EPSILON

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        maps = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(images)))
        maps = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(self.maxpool_3a(maps))))
        maps = self.repeat_2(self.mixed_6a(self.repeat_1(maps)))
        maps = self.block8(self.repeat_3(self.mixed_7a(maps)))
        features: Tensor = self.last_bn(self.last_linear(self.dropout(maps.mean(dim=(2, 3)))))
        return features
