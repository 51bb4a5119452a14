"""iResNet: the residual networks of ArcFace (Deng et al., CVPR 2019, arXiv 1801.07698)."""

from functools import partial

from torch import Tensor, nn

from vultus.backbones.base import (
    Backbone,
    BackboneInfo,
    Published,
    check_input_hw,
    register_backbone,
)
from vultus.core.checks import check_range

WIDTHS = (64, 128, 256, 512)


class IResNetBlock(nn.Module):
    """BN - conv - BN - PReLU - conv - BN beside a shortcut; nothing after the sum.

    The sub-modules carry the names of the arcface_torch project.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        stride: Of the second convolution and of the shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.prelu = nn.PReLU(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, maps: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, ceil(h / stride), ceil(w / stride))."""
        branch = self.prelu(self.bn2(self.conv1(self.bn1(maps))))
        total: Tensor = self.bn3(self.conv2(branch)) + self.downsample(maps)
        return total


class IResNet(Backbone):
    """Residual network for faces: stem at full resolution, head BN - dropout - FC - BN.

    Names and shapes of the state dict are those of the iresnet of arcface_torch, so that weights
    trained with it load.

    Args:
        blocks: Residual blocks of the four stages, which have 64, 128, 256 and 512 channels and
            each halve height and width.
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 16.
        dropout: Probability in the head.
    """

    def __init__(
        self,
        *,
        blocks: tuple[int, int, int, int],
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 112),
        dropout: float = 0.0,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=16))
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = nn.PReLU(64)
        self.layer1 = _stage(64, WIDTHS[0], blocks=blocks[0])
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], blocks=blocks[1])
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], blocks=blocks[2])
        self.layer4 = _stage(WIDTHS[2], WIDTHS[3], blocks=blocks[3])
        self.bn2 = nn.BatchNorm2d(WIDTHS[3])
        self.dropout = nn.Dropout(check_range("dropout", dropout, low=0, high=1, high_open=True))
        height, width = (-(-length // 16) for length in self.input_hw)
        self.fc = nn.Linear(WIDTHS[3] * height * width, dim)
        self.features = nn.BatchNorm1d(dim)
        # A free scale per feature would undo what the losses do about lengths.
        self.features.weight.requires_grad = False
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # As in arcface_torch: BN hides the scale, but the effective step depends on it.
                nn.init.normal_(module.weight, 0.0, 0.1)

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        maps = self.prelu(self.bn1(self.conv1(images)))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        vector = self.dropout(self.bn2(maps).flatten(1))
        features: Tensor = self.features(self.fc(vector))
        return features


def _stage(in_channels: int, out_channels: int, *, blocks: int) -> nn.Sequential:
    first = IResNetBlock(in_channels, out_channels, stride=2)
    others = [IResNetBlock(out_channels, out_channels) for _ in range(blocks - 1)]
    return nn.Sequential(first, *others)


PAPER = "Deng et al., ArcFace, CVPR 2019 (improved residual block, head E)"
README = "arcface_torch, README (FLOPs)"
ZOO = "OpenVINO Open Model Zoo"
NOTE = "the zoo counts a converted graph, normalisation folded into convolutions"
_BLOCKS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    200: (6, 26, 60, 6),
}
"""Residual blocks of the four stages by depth."""
_PARAMETERS = {34: 34.129e6, 100: 65.131e6}
_MACS = {18: 2.6e9, 34: 4.467e9, 50: 6.3e9, 100: 12.1e9, 200: 23.5e9}

for depth, blocks in _BLOCKS.items():
    parameters, macs = _PARAMETERS.get(depth), _MACS.get(depth)
    register_backbone(
        f"iresnet{depth}",
        BackboneInfo(
            PAPER,
            "1801.07698",
            parameters=None if parameters is None else Published(parameters, ZOO),
            macs=None if macs is None else Published(macs, ZOO if depth == 34 else README),
            note="" if parameters is None else NOTE,
        ),
    )(partial(IResNet, blocks=blocks))
