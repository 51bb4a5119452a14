import pytest
import torch

from vultus.backbones.iresnet import IResNet, IResNetBlock
from vultus.core.errors import InputError


def test_a_block_as_the_paper_writes_it() -> None:
    torch.manual_seed(0)
    block = IResNetBlock(3, 5, stride=2).eval()
    maps = torch.randn(2, 3, 7, 6)
    with torch.no_grad():
        for norm in (block.bn1, block.bn2, block.bn3):
            norm.running_mean.normal_()  # type: ignore[union-attr]
            norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
        branch = torch.conv2d(block.bn1(maps), block.conv1.weight, padding=1)
        branch = torch.prelu(block.bn2(branch), block.prelu.weight)
        branch = block.bn3(torch.conv2d(branch, block.conv2.weight, stride=2, padding=1))
        assert torch.equal(block(maps), branch + block.downsample(maps))
        assert block(maps).shape == (2, 5, 4, 3)


def test_weights_of_arcface_torch_would_load() -> None:
    state = IResNet(blocks=(2, 1, 1, 1)).state_dict()
    wanted = {
        "conv1.weight": (64, 3, 3, 3),
        "bn1.running_var": (64,),
        "prelu.weight": (64,),
        "layer1.0.bn1.weight": (64,),
        "layer1.0.conv1.weight": (64, 64, 3, 3),
        "layer1.0.prelu.weight": (64,),
        "layer1.0.downsample.0.weight": (64, 64, 1, 1),
        "layer1.0.downsample.1.bias": (64,),
        "layer1.1.bn3.running_mean": (64,),
        "layer4.0.conv2.weight": (512, 512, 3, 3),
        "bn2.weight": (512,),
        "fc.weight": (512, 512 * 7 * 7),
        "fc.bias": (512,),
        "features.running_mean": (512,),
    }
    assert {name: tuple(state[name].shape) for name in wanted} == wanted
    assert not any(name.startswith("layer1.1.downsample") for name in state)


def test_the_scale_of_the_last_normalisation_stays_1() -> None:
    net = IResNet(blocks=(1, 1, 1, 1), dim=4, input_hw=(16, 16))
    assert torch.equal(net.features.weight, torch.ones(4))
    assert not net.features.weight.requires_grad
    assert net.features.bias.requires_grad


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="at least 16"):
        IResNet(blocks=(1, 1, 1, 1), input_hw=(112, 8))
    with pytest.raises(InputError, match="dropout"):
        IResNet(blocks=(1, 1, 1, 1), dropout=1.0)
