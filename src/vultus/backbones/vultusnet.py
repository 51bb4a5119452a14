"""VultusNet: residual nets that train and run well on a CPU."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, get_args

from torch import Tensor, nn

from vultus.backbones.base import Backbone, BackboneInfo, check_input_hw, register_backbone
from vultus.core.errors import InputError

UnitKind = Literal["dense", "bottleneck", "inverted"]


class ResidualUnit(nn.Module):
    """Convolutions, each with BN and all but the last with ReLU, beside a shortcut.

    Every BN follows a convolution, so that an export can fold it in; nothing follows the sum,
    which saves a walk over the map.

    Args:
        channels: Channels in and out.
        kind: ``"dense"``: two 3 x 3. ``"bottleneck"``: 1 x 1 to half the channels, 3 x 3, 1 x 1
            back. ``"inverted"``: 1 x 1 to twice the channels, 3 x 3 depthwise, 1 x 1 back.
    """

    def __init__(self, channels: int, kind: UnitKind = "dense") -> None:
        super().__init__()
        self.layers = nn.Sequential(*_INNER[kind](channels)[:-1])

    def forward(self, maps: Tensor) -> Tensor:
        """(b, channels, h, w) -> (b, channels, h, w)."""
        total: Tensor = maps + self.layers(maps)
        return total


class VultusNet(Backbone):
    """A stem of stride 4, then stages of residual units, each stage but the first of stride 2.

    A CPU is busy with dense convolutions and waits for memory with depthwise ones and on large
    maps: with as many multiply-adds as MobileFaceNet this trains in a fraction of its time.

    Args:
        widths: Channels of the stages, at least one.
        units: Residual units of the stages.
        unit: What they are made of, see `ResidualUnit`.
        stem_width: Channels between two convolutions of 3 x 3 and stride 2; None makes the stem
            one convolution of 7 x 7 and stride 4.
        head_width: Channels that a 1 x 1 convolution makes of the last stage's, before every place
            of the map is weighed; None leaves them as they are.
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.

    Raises:
        InputError: If the numbers of stages differ, or there is no such unit.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int],
        units: Sequence[int],
        unit: UnitKind = "dense",
        stem_width: int | None = None,
        head_width: int | None = None,
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 112),
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))
        if len(widths) != len(units) or not widths:
            raise InputError(f"widths and units must be of equal number, got {widths} and {units}")
        if unit not in _INNER:
            raise InputError(f"unit must be one of {', '.join(get_args(UnitKind))}, got {unit!r}")
        if stem_width is None:
            layers = _layer(3, widths[0], kernel=7, stride=4)
        else:
            layers = _layer(3, stem_width, stride=2) + _layer(stem_width, widths[0], stride=2)
        for place, (channels, count) in enumerate(zip(widths, units, strict=True)):
            if place:
                layers += _layer(widths[place - 1], channels, stride=2)
            layers += [ResidualUnit(channels, unit) for _ in range(count)]
        last = widths[-1]
        if head_width is not None:
            layers += _layer(last, head_width, kernel=1)
            last = head_width
        self.stages = nn.Sequential(*layers)
        height, width = (-(-length // 2 ** (len(widths) + 1)) for length in self.input_hw)
        self.weigh = nn.Sequential(
            nn.Conv2d(last, last, (height, width), groups=last, bias=False),
            nn.BatchNorm2d(last),
        )
        self.project = nn.Sequential(nn.Linear(last, dim, bias=False), nn.BatchNorm1d(dim))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        features: Tensor = self.project(self.weigh(self.stages(images)).flatten(1))
        return features


def _layer(
    in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    convolution = nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        stride,
        padding=kernel // 2,
        groups=groups,
        bias=False,
    )
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]


def _dense(channels: int) -> list[nn.Module]:
    return _layer(channels, channels) + _layer(channels, channels)


def _bottleneck(channels: int) -> list[nn.Module]:
    half = channels // 2
    return _layer(channels, half, kernel=1) + _layer(half, half) + _layer(half, channels, kernel=1)


def _inverted(channels: int) -> list[nn.Module]:
    double = 2 * channels
    return (
        _layer(channels, double, kernel=1)
        + _layer(double, double, groups=double)
        + _layer(double, channels, kernel=1)
    )


_INNER: dict[str, Callable[[int], list[nn.Module]]] = {
    "dense": _dense,
    "bottleneck": _bottleneck,
    "inverted": _inverted,
}

SIZES: dict[str, dict[str, Any]] = {
    "s": {"widths": (48, 96, 192, 256), "units": (2, 4, 1, 1)},
    "m": {"widths": (64, 128, 256, 384), "units": (2, 4, 3, 1)},
}
"""Settings by size."""

for size, settings in SIZES.items():
    register_backbone(
        f"vultusnet-{size}",
        BackboneInfo("Ours: dense convolutions from stride 4 on, for CPUs"),
    )(partial(VultusNet, **settings))
