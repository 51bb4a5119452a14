"""The residual networks of SphereFace (Liu et al., CVPR 2017, arXiv 1704.08063)."""

from functools import partial

from torch import Tensor, nn

from vultus.backbones.base import (
    Backbone,
    BackboneInfo,
    Published,
    check_input_hw,
    register_backbone,
)

WIDTHS = (64, 128, 256, 512)


class SphereFaceUnit(nn.Module):
    """Two 3x3 convolutions, each with its PReLU, beside a shortcut; nothing after the sum.

    Args:
        channels: Channels in and out.
        batch_norm: Normalise after each convolution.
    """

    def __init__(self, channels: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_layer(channels, channels, batch_norm=batch_norm, bias=False),
            *_layer(channels, channels, batch_norm=batch_norm, bias=False),
        )
        for module in self.layers:
            if isinstance(module, nn.Conv2d):
                # As the authors' network definition: a unit starts near the identity, which is
                # what lets 64 layers train without normalisation.
                nn.init.normal_(module.weight, 0.0, 0.01)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> (b, channels, h, w)."""
        total: Tensor = maps + self.layers(maps)
        return total


class SphereFaceNet(Backbone):
    """Plain residual net with PReLU and without batch normalisation; the head is one FC layer.

    Args:
        units: Residual units of the four stages, which have 64, 128, 256 and 512 channels and
            each begin with a convolution of stride 2. Layers: 4 + 2 sum(units).
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 16.
        batch_norm: Normalise after each convolution.
    """

    def __init__(
        self,
        *,
        units: tuple[int, int, int, int],
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 96),
        batch_norm: bool = False,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=16))
        layers: list[nn.Module] = []
        in_channels = 3
        for channels, count in zip(WIDTHS, units, strict=True):
            layers += _layer(in_channels, channels, stride=2, batch_norm=batch_norm)
            layers += [SphereFaceUnit(channels, batch_norm=batch_norm) for _ in range(count)]
            in_channels = channels
        self.stages = nn.Sequential(*layers)
        height, width = (-(-length // 16) for length in self.input_hw)
        self.project = nn.Linear(in_channels * height * width, dim)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        features: Tensor = self.project(self.stages(images).flatten(1))
        return features


def _layer(
    in_channels: int, out_channels: int, *, batch_norm: bool, stride: int = 1, bias: bool = True
) -> list[nn.Module]:
    convolution = nn.Conv2d(
        in_channels, out_channels, 3, stride, padding=1, bias=bias and not batch_norm
    )
    nn.init.xavier_uniform_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    norms = [nn.BatchNorm2d(out_channels)] if batch_norm else []
    return [convolution, *norms, nn.PReLU(out_channels)]


PAPER = "Liu et al., SphereFace, CVPR 2017"
ZOO = "OpenVINO Open Model Zoo"
NOTE = (
    "the authors' definition has 3,712 more, biases of the units that are frozen at 0; "
    "GFLOPs of the zoo halved, they include activations"
)
_UNITS: dict[int, tuple[int, int, int, int]] = {
    4: (0, 0, 0, 0),
    20: (1, 2, 4, 1),
    36: (2, 4, 8, 2),
    64: (3, 8, 16, 3),
}
"""Residual units by the number of convolutions, table 2 of the paper."""

for depth, units in _UNITS.items():
    register_backbone(
        f"sphereface{depth}",
        BackboneInfo(
            PAPER,
            "1704.08063",
            parameters=Published(22.671e6, ZOO) if depth == 20 else None,
            macs=Published(1.752e9, ZOO) if depth == 20 else None,
            note=NOTE if depth == 20 else "",
        ),
    )(partial(SphereFaceNet, units=units))
    register_backbone(
        f"sphereface{depth}-bn",
        BackboneInfo(PAPER, "1704.08063", note="batch normalisation after each convolution"),
    )(partial(SphereFaceNet, units=units, batch_norm=True))
