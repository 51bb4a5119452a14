import pytest
import torch
from torch import Tensor, nn

from vultus.backbones import BACKBONES
from vultus.backbones.complexity import Complexity, complexity, complexity_of
from vultus.core.errors import InputError


def counted_by_hooks(module: nn.Module, images: Tensor) -> int:
    """Multiply-adds of convolutions and linear layers, one output value at a time."""
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            height, width = layer.kernel_size
            total += out[0].numel() * layer.in_channels // layer.groups * height * width
        elif isinstance(layer, nn.Linear):
            total += out[0].numel() * layer.in_features

    for layer in module.modules():
        layer.register_forward_hook(count)
    with torch.no_grad():
        module.eval()(images)
    return total


def test_a_small_net_by_hand() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),  # 8 x 5 x 4 values of 27 products
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),  # 160 values of 9 products
        nn.PReLU(8),
        nn.Flatten(),
        nn.Linear(160, 7),
    )
    parameters = 8 * 27 + 16 + (72 + 8) + 8 + (160 * 7 + 7)
    wanted = Complexity(parameters, buffers=16, macs=160 * 27 + 160 * 9 + 160 * 7, input_hw=(9, 8))
    assert complexity(net, input_hw=(9, 8)) == wanted


def test_the_module_itself_is_left_alone() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)).train()
    complexity(net, input_hw=(8, 8))
    assert net.training
    assert next(net.parameters()).device.type == "cpu"
    assert int(net[1].num_batches_tracked) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["iresnet18", "mobilefacenet", "sphereface20", "vultusnet-s"])
def test_counts_agree_with_a_count_layer_by_layer(name: str) -> None:
    with torch.device("meta"):
        net = BACKBONES.create(name)
        images = torch.zeros(1, 3, *net.input_hw)
    assert complexity_of(name).macs == counted_by_hooks(net, images)


def test_attention_counts_its_two_products_of_tokens_with_tokens() -> None:
    with torch.device("meta"):
        net = BACKBONES.create("vit-t", dim=512)
        images = torch.zeros(1, 3, *net.input_hw)
    tokens, width, depth = 144, 256, 12
    mixing = depth * 2 * tokens * tokens * width
    assert complexity_of("vit-t").macs == counted_by_hooks(net, images) + mixing


def test_settings_count() -> None:
    small = complexity_of("iresnet18", dim=128, input_hw=(96, 96))
    assert small.parameters < complexity_of("iresnet18").parameters
    assert small.macs == pytest.approx(complexity_of("iresnet18").macs * (96 / 112) ** 2, rel=0.01)


def test_a_size_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="112"):
        complexity(BACKBONES.create("iresnet18", dim=2), input_hw=(96, 96))
