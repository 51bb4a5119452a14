import pytest
import torch
from torch.nn import functional

from vultus.backbones.complexity import complexity_of
from vultus.backbones.vgg import VGG16


def test_counts_differ_from_the_published_ones_by_the_last_layer_only() -> None:
    counted = complexity_of("vgg16")
    classes = 1000 * 4096 + 1000
    assert counted.parameters - 1024 * 4096 + classes == 138_357_544  # network D, as published
    people = 2622 * 4096 + 2622
    assert counted.parameters - 1024 * 4096 + people == pytest.approx(145.0e6, rel=1e-3)
    # The 15.3 G of the ResNet paper are those of the convolutions.
    assert counted.macs - (7 * 7 * 512 + 4096 + 1024) * 4096 == pytest.approx(15.3e9, rel=5e-3)


def test_normalising_fc7_changes_lengths_only() -> None:
    torch.manual_seed(0)
    net = VGG16(dim=8, input_hw=(32, 32)).eval()
    fc7: list[torch.Tensor] = []
    net.projection.register_forward_pre_hook(lambda _, inputs: fc7.append(inputs[0]))
    with torch.no_grad():
        features = net(torch.randn(3, 3, 32, 32))
        as_the_paper = net.projection(functional.normalize(fc7[0]))
    cosines = functional.cosine_similarity(features, as_the_paper)
    assert torch.allclose(cosines, torch.ones(3), atol=1e-5)


def test_dropout_works_in_training_only() -> None:
    torch.manual_seed(0)
    net = VGG16(dim=8, input_hw=(32, 32))
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert not torch.equal(net(images), net(images))
        assert torch.equal(net.eval()(images), net(images))
