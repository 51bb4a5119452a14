import pytest
import torch
from torch import nn

from vultus.backbones.complexity import complexity
from vultus.backbones.mobilefacenet import Bottleneck, MobileFaceNet
from vultus.core.errors import InputError


def test_maps_have_the_sizes_of_the_papers_table() -> None:
    net = MobileFaceNet().eval()
    maps = net.stem(torch.zeros(1, 3, 112, 112))
    assert maps.shape == (1, 64, 56, 56)
    sizes = []
    for stage in net.stages:
        maps = stage(maps)
        sizes.append(tuple(maps.shape[1:]))
    wanted = [(64, 28, 28)] * 5 + [(128, 14, 14)] * 7 + [(128, 7, 7)] * 3
    assert sizes == wanted
    assert net.weigh(net.widen(maps)).shape == (1, 512, 1, 1)


def test_a_bottleneck_has_a_shortcut_only_where_shapes_agree() -> None:
    maps = torch.randn(1, 4, 6, 6)
    for channels, stride, shortcut in ((4, 1, True), (4, 2, False), (5, 1, False)):
        block = Bottleneck(4, channels, expansion=2, stride=stride, activation=nn.PReLU).eval()
        with torch.no_grad():
            for parameter in block.layers[-1].parameters():
                parameter.zero_()  # the branch gives 0
            out = block(maps)
        wanted = maps if shortcut else torch.zeros(1, channels, 6 // stride, 6 // stride)
        assert torch.equal(out, wanted)


def test_relu_saves_only_the_slopes() -> None:
    slopes = sum(m.num_parameters for m in MobileFaceNet().modules() if isinstance(m, nn.PReLU))
    prelu = complexity(MobileFaceNet(), input_hw=(112, 112))
    relu = complexity(MobileFaceNet(activation="relu"), input_hw=(112, 112))
    assert prelu.parameters - relu.parameters == slopes
    assert prelu.macs == relu.macs


def test_other_activations_are_refused() -> None:
    with pytest.raises(InputError, match="'prelu' or 'relu', got 'gelu'"):
        MobileFaceNet(activation="gelu")  # type: ignore[arg-type]
