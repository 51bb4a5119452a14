"""Residual attention networks (Wang et al., CVPR 2017, arXiv 1704.06904) for face crops."""

from functools import partial

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

WIDTHS = (256, 512, 1024)
_LAST_WIDTH = 2048


class PreActivationUnit(nn.Module):
    """BN - ReLU - 1x1, BN - ReLU - 3x3, BN - ReLU - 1x1 beside a shortcut (He et al., 2016).

    Args:
        in_channels: Channels in.
        out_channels: Channels out; the inner width is a quarter of it.
        stride: Of the 3x3 convolution and of the shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        inner = out_channels // 4
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.shortcut: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, ceil(h / stride), ceil(w / stride))."""
        active = functional.relu(self.bn1(maps))
        branch = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        branch = self.conv3(functional.relu(self.bn3(branch)))
        total: Tensor = branch + (maps if self.shortcut is None else self.shortcut(active))
        return total


class MaskBranch(nn.Module):
    """Down by pooling, up by interpolation, with a unit beside each smaller branch (r = 1).

    Args:
        channels: Channels in and out.
        levels: Halvings of height and width.
    """

    def __init__(self, channels: int, *, levels: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.down = PreActivationUnit(channels, channels)
        self.beside: nn.Module | None = None
        self.inner: nn.Module | None = None
        if levels > 1:
            self.beside = PreActivationUnit(channels, channels)
            self.inner = MaskBranch(channels, levels=levels - 1)
        self.up = PreActivationUnit(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> the same shape."""
        small = self.down(self.pool(maps))
        if self.beside is not None and self.inner is not None:
            small = self.beside(small) + self.inner(small)
        height_width = maps.shape[-2:]
        return functional.interpolate(
            self.up(small), height_width, mode="bilinear", align_corners=False
        )


class AttentionModule(nn.Module):
    """A trunk of two units, weighed by 1 + a soft mask, between two units (p = 1, t = 2, r = 1).

    Args:
        channels: Channels in and out.
        levels: Halvings in the mask branch.
    """

    def __init__(self, channels: int, *, levels: int) -> None:
        super().__init__()
        self.before = PreActivationUnit(channels, channels)
        self.trunk = nn.Sequential(
            PreActivationUnit(channels, channels), PreActivationUnit(channels, channels)
        )
        self.mask = nn.Sequential(
            MaskBranch(channels, levels=levels),
            *_bn_relu_1x1(channels),
            *_bn_relu_1x1(channels),
            nn.Sigmoid(),
        )
        self.after = PreActivationUnit(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> the same shape."""
        maps = self.before(maps)
        weighed: Tensor = self.after((1 + self.mask(maps)) * self.trunk(maps))
        return weighed


class AttentionNet(Backbone):
    """Residual attention network: three stages of attention modules, then three units.

    The original sees 224 x 224 and begins with 7x7 at stride 2. For crops of 112 x 112 the stem is
    3x3 at stride 1, so that the maps of all stages have the original's sizes, and the head keeps
    the places (BN - dropout - FC - BN, as ArcFace) instead of averaging them.

    Args:
        modules: Attention modules of the three stages; (1, 1, 1) is Attention-56, (1, 2, 3) is -92.
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.
        dropout: Probability in the head.
    """

    def __init__(
        self,
        *,
        modules: tuple[int, int, int],
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 112),
        dropout: float = 0.0,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))
        self.conv = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        stages: list[nn.Module] = []
        channels = 64
        for number, (width, count) in enumerate(zip(WIDTHS, modules, strict=True)):
            stages.append(PreActivationUnit(channels, width, stride=1 if number == 0 else 2))
            levels = len(WIDTHS) - number
            stages.extend(AttentionModule(width, levels=levels) for _ in range(count))
            channels = width
        stages.append(PreActivationUnit(channels, _LAST_WIDTH, stride=2))
        stages.extend(PreActivationUnit(_LAST_WIDTH, _LAST_WIDTH) for _ in range(2))
        self.stages = nn.Sequential(*stages)
        self.last_bn = nn.BatchNorm2d(_LAST_WIDTH)
        self.dropout = nn.Dropout(check_range("dropout", dropout, low=0, high=1, high_open=True))
        height, width = (-(-length // 16) for length in self.input_hw)
        self.fc = nn.Linear(_LAST_WIDTH * height * width, dim)
        self.features = nn.BatchNorm1d(dim)
        # A free scale per feature would undo what the losses do about lengths.
        self.features.weight.requires_grad = False
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        maps = self.stages(self.pool(functional.relu(self.bn(self.conv(images)))))
        vector = self.dropout(functional.relu(self.last_bn(maps)).flatten(1))
        features: Tensor = self.features(self.fc(vector))
        return features


def _bn_relu_1x1(channels: int) -> list[nn.Module]:
    return [
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 1, bias=False),
    ]


SOURCE = "Wang et al., CVPR 2017, at 224 x 224 with 1,000 classes"
NOTE = (
    "stem and head are for faces of 112 x 112: the FC over 7 x 7 places has 51.4 M parameters, the "
    "average and the classes of the original 2.0 M"
)

for depth, (modules, parameters, macs) in {
    56: ((1, 1, 1), 31.9e6, None),
    92: ((1, 2, 3), 51.3e6, 10.4e9),
}.items():
    register_backbone(
        f"attention{depth}",
        BackboneInfo(
            "Wang et al., Residual Attention Network, CVPR 2017",
            "1704.06904",
            parameters=Published(parameters, SOURCE),
            macs=None if macs is None else Published(macs, SOURCE),
            note=NOTE,
        ),
    )(partial(AttentionNet, modules=modules))
