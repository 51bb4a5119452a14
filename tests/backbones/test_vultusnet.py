import torch
from torch import nn

from vultus.backbones import BACKBONES
from vultus.backbones.complexity import complexity_of
from vultus.backbones.vultusnet import VultusNet


def test_stages_have_the_sizes_that_the_guide_names() -> None:
    net = VultusNet(widths=(4, 6, 8, 10), units=(1, 1, 1, 1), dim=5).eval()
    maps = torch.zeros(1, 3, 112, 112)
    sizes = set()
    for layer in net.stages:
        maps = layer(maps)
        sizes.add(tuple(maps.shape[1:]))
    assert sizes == {(4, 28, 28), (6, 14, 14), (8, 7, 7), (10, 4, 4)}
    assert net.weigh(maps).shape == (1, 10, 1, 1)


def test_every_normalisation_follows_a_convolution_or_the_projection() -> None:
    net = BACKBONES.create("vultusnet-s")
    for block in net.modules():
        if isinstance(block, nn.Sequential):
            layers = list(block)
            for before, layer in zip([None, *layers], layers, strict=False):
                if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
                    assert isinstance(before, nn.Conv2d | nn.Linear)


def test_the_small_one_fits_into_8_megabytes_of_half_precision() -> None:
    size = complexity_of("vultusnet-s")
    assert 2 * (size.parameters + size.buffers) <= 8e6
