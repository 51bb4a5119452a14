"""VultusNet: dense residual nets that train and run well on a CPU."""

from functools import partial

from torch import Tensor, nn

from vultus.backbones.base import Backbone, BackboneInfo, check_input_hw, register_backbone

__all__ = ["DenseUnit", "VultusNet"]

Stages = tuple[int, int, int, int]


class DenseUnit(nn.Module):
    """Conv - BN - ReLU - conv - BN beside a shortcut; nothing after the sum.

    Every BN follows a convolution, so that an export can fold it in; the sum is passed on as it
    is, which saves a walk over the map.

    Args:
        channels: Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> (b, channels, h, w)."""
        total: Tensor = maps + self.layers(maps)
        return total


class VultusNet(Backbone):
    """Dense 3x3 convolutions on small maps: an overlapping stem of stride 4, four stages.

    A CPU is busy with dense convolutions and waits for memory with depthwise ones and on large
    maps; so this has more multiply-adds than MobileFaceNet and takes a fraction of its time.

    Args:
        widths: Channels of the four stages; each but the first begins with a convolution of
            stride 2.
        units: Residual units of the four stages.
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.
    """

    def __init__(
        self,
        *,
        widths: Stages,
        units: Stages,
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 112),
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))
        layers = _layer(3, widths[0], kernel=7, stride=4)
        layers += [DenseUnit(widths[0]) for _ in range(units[0])]
        for before, channels, count in zip(widths, widths[1:], units[1:], strict=False):
            layers += _layer(before, channels, kernel=3, stride=2)
            layers += [DenseUnit(channels) for _ in range(count)]
        self.stages = nn.Sequential(*layers)
        height, width = (-(-length // 32) for length in self.input_hw)
        self.weigh = nn.Sequential(
            nn.Conv2d(widths[3], widths[3], (height, width), groups=widths[3], bias=False),
            nn.BatchNorm2d(widths[3]),
        )
        self.project = nn.Sequential(nn.Linear(widths[3], dim, bias=False), nn.BatchNorm1d(dim))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        features: Tensor = self.project(self.weigh(self.stages(images)).flatten(1))
        return features


def _layer(in_channels: int, out_channels: int, *, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False
    )
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]


SIZES: dict[str, tuple[Stages, Stages]] = {
    "s": ((48, 96, 192, 256), (2, 4, 1, 1)),
    "m": ((64, 128, 256, 384), (2, 4, 3, 1)),
}
"""Widths and units by size."""

for size, (widths, units) in SIZES.items():
    register_backbone(
        f"vultusnet-{size}",
        BackboneInfo("Ours: dense convolutions from stride 4 on, for CPUs"),
    )(partial(VultusNet, widths=widths, units=units))
