from typing import Any

import pytest
import torch
from torch import nn

from vultus.backbones import BACKBONES
from vultus.backbones.complexity import complexity_of
from vultus.backbones.vultusnet import ResidualUnit, UnitKind, VultusNet
from vultus.core.errors import InputError

SETTINGS: list[dict[str, Any]] = [
    {},
    {"unit": "bottleneck"},
    {"unit": "inverted"},
    {"stem_width": 4},
    {"head_width": 20},
    {"widths": (6, 8, 10), "units": (1, 2, 0)},
    {"widths": (6, 8, 10), "units": (0, 1, 2), "unit": "inverted", "stem_width": 4,
     "head_width": 20, "input_hw": (96, 80)},
]  # fmt: skip


def made(**settings: Any) -> VultusNet:
    torch.manual_seed(0)
    chosen = {"widths": (4, 6, 8, 10), "units": (1, 1, 1, 1), "dim": 5, **settings}
    return VultusNet(**chosen).eval()


def sizes(net: VultusNet) -> list[tuple[int, ...]]:
    """(channels, h, w) behind the stem and each stage, each once."""
    maps = torch.zeros(1, 3, *net.input_hw)
    found: list[tuple[int, ...]] = []
    for layer in net.stages:
        maps = layer(maps)
        if tuple(maps.shape[1:]) not in found:
            found.append(tuple(maps.shape[1:]))
    return found


def test_stages_have_the_sizes_that_the_guide_names() -> None:
    net = made()
    assert sizes(net) == [(4, 28, 28), (6, 14, 14), (8, 7, 7), (10, 4, 4)]
    assert net.weigh(torch.zeros(1, 10, 4, 4)).shape == (1, 10, 1, 1)


def test_a_stem_of_two_convolutions_and_a_wider_end() -> None:
    net = made(widths=(6, 8, 10), units=(1, 1, 1), stem_width=4, head_width=20)
    assert sizes(net) == [(4, 56, 56), (6, 28, 28), (8, 14, 14), (10, 7, 7), (20, 7, 7)]
    assert net.weigh(torch.zeros(1, 20, 7, 7)).shape == (1, 20, 1, 1)
    assert sizes(made(widths=(6,), units=(2,))) == [(6, 28, 28)]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_face_has_a_feature(settings: dict[str, Any]) -> None:
    net = made(**settings)
    assert net(torch.randn(2, 3, *net.input_hw)).shape == (2, 5)
    net.train()(torch.randn(3, 3, *net.input_hw)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("dense", [(8, 8, 3, 1), (8, 8, 3, 1)]),
        ("bottleneck", [(8, 4, 1, 1), (4, 4, 3, 1), (4, 8, 1, 1)]),
        ("inverted", [(8, 16, 1, 1), (16, 16, 3, 16), (16, 8, 1, 1)]),
    ],
)
def test_what_units_are_made_of(kind: UnitKind, expected: list[tuple[int, ...]]) -> None:
    unit = ResidualUnit(8, kind).eval()
    convolutions = [layer for layer in unit.modules() if isinstance(layer, nn.Conv2d)]
    assert [
        (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.groups)
        for layer in convolutions
    ] == expected
    assert sum(isinstance(layer, nn.ReLU) for layer in unit.modules()) == len(expected) - 1
    assert isinstance(unit.layers[-1], nn.BatchNorm2d)  # nothing follows the sum
    maps = torch.randn(2, 8, 6, 5)
    torch.testing.assert_close(unit(maps), maps + unit.layers(maps))


@pytest.mark.parametrize("settings", [None, *SETTINGS], ids=str)
def test_every_normalisation_follows_a_convolution_or_the_projection(
    settings: dict[str, Any] | None,
) -> None:
    net = BACKBONES.create("vultusnet-s") if settings is None else made(**settings)
    for block in net.modules():
        if isinstance(block, nn.Sequential):
            layers = list(block)
            for before, layer in zip([None, *layers], layers, strict=False):
                if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
                    assert isinstance(before, nn.Conv2d | nn.Linear)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(InputError, match=r"of equal number, got \(4, 6\) and \(1, 1, 1\)"):
        made(widths=(4, 6), units=(1, 1, 1))
    with pytest.raises(InputError, match="of equal number"):
        made(widths=(), units=())
    with pytest.raises(InputError, match="one of dense, bottleneck, inverted, got 'sparse'"):
        made(unit="sparse")


def test_the_small_one_fits_into_8_megabytes_of_half_precision() -> None:
    size = complexity_of("vultusnet-s")
    assert 2 * (size.parameters + size.buffers) <= 8e6
