import pytest
import torch
from torch import nn

from vultus.backbones import BACKBONES
from vultus.backbones.sphereface import SphereFaceNet, SphereFaceUnit


@pytest.mark.parametrize("depth", [4, 20, 36, 64])
@pytest.mark.parametrize("suffix", ["", "-bn"])
def test_as_many_convolutions_as_the_name_says(depth: int, suffix: str) -> None:
    with torch.device("meta"):
        net = BACKBONES.create(f"sphereface{depth}{suffix}")
    kinds = [type(module) for module in net.modules()]
    assert kinds.count(nn.Conv2d) == kinds.count(nn.PReLU) == depth
    assert kinds.count(nn.BatchNorm2d) == (depth if suffix else 0)


def test_sphereface20_has_the_published_parameters() -> None:
    with torch.device("meta"):
        net = BACKBONES.create("sphereface20")
    frozen_zeros = 2 * (1 * 64 + 2 * 128 + 4 * 256 + 1 * 512)  # biases that we do without
    ours = sum(p.numel() for p in net.parameters())
    assert ours + frozen_zeros == pytest.approx(22.671e6, abs=500)


def test_64_layers_without_normalisation_keep_the_scale_of_the_signal() -> None:
    torch.manual_seed(0)
    net = SphereFaceNet(units=(3, 8, 16, 3), dim=64, input_hw=(32, 32)).eval()
    with torch.no_grad():
        features = net(torch.rand(4, 3, 32, 32) * 2 - 1)
    assert 0.01 < float(features.std()) < 10


def test_a_unit_is_its_input_plus_a_branch() -> None:
    unit = SphereFaceUnit(4, batch_norm=False)
    maps = torch.randn(2, 4, 5, 5)
    with torch.no_grad():
        wanted = maps + unit.layers[3](unit.layers[2](unit.layers[1](unit.layers[0](maps))))
        assert torch.equal(unit(maps), wanted)
