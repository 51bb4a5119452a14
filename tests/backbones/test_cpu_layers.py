"""The gradients are those of torch's own layers."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from vultus.backbones import cpu_layers
from vultus.backbones.base import Backbone
from vultus.backbones.cpu_layers import CpuConv2d, CpuPReLU, use_cpu_layers
from vultus.backbones.iresnet import IResNet
from vultus.backbones.mobilefacenet import MobileFaceNet

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_layers, "_CACHED", 5000)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


def gradients(layer: nn.Module, maps: Tensor, upstream: Tensor) -> list[Tensor]:
    """Result and gradients by maps and parameters."""
    leaf = maps.clone(memory_format=torch.preserve_format).requires_grad_()
    result = layer(leaf)
    return [result.detach(), *torch.autograd.grad(result, [leaf, *layer.parameters()], upstream)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("slopes", [24, 1])
@pytest.mark.parametrize("threads", [1, 2])
def test_prelu_is_torchs(layout: torch.memory_format, slopes: int, threads: int) -> None:
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(7, 24, 6, 10, generator=generator)
    maps[:, :, 0, 0] = 0.0  # the side of 0 matters
    maps = maps.contiguous(memory_format=layout)
    upstream = torch.randn(maps.shape, generator=generator)
    layer = nn.PReLU(slopes)
    nn.init.uniform_(layer.weight, -0.5, 1.5, generator=generator)
    wanted = gradients(layer, maps, upstream)
    for got, right in zip(gradients(CpuPReLU(layer), maps, upstream), wanted, strict=True):
        torch.testing.assert_close(got, right)


def test_prelu_takes_vectors_and_empty_batches() -> None:
    layer = CpuPReLU(nn.PReLU(4))
    assert layer(torch.randn(0, 4, requires_grad=True)).shape == (0, 4)
    vectors = torch.randn(3, 4)
    for got, right in zip(
        gradients(layer, vectors, torch.ones(3, 4)),
        gradients(nn.PReLU(4), vectors, torch.ones(3, 4)),
        strict=True,
    ):
        torch.testing.assert_close(got, right)


@pytest.mark.parametrize("size_hw", [(9, 5), (1, 1), (40, 33)])
@pytest.mark.parametrize("threads", [1, 2])
def test_convolution_is_torchs(size_hw: tuple[int, int], threads: int) -> None:
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(7, 16, *size_hw, generator=generator)
    maps = maps.contiguous(memory_format=torch.channels_last)
    layer = nn.Conv2d(16, 20, 3, padding=1, bias=False)
    upstream = torch.randn(7, 20, *size_hw, generator=generator)
    wanted = gradients(layer, maps, upstream)
    for got, right in zip(gradients(CpuConv2d(layer), maps, upstream), wanted, strict=True):
        torch.testing.assert_close(got, right, rtol=1e-4, atol=1e-5 * float(right.abs().max()))


@pytest.mark.parametrize(
    "make", [partial(IResNet, blocks=(1, 1, 1, 1)), partial(MobileFaceNet)], ids=["iresnet", "mfn"]
)
def test_a_network_keeps_its_parameters_names_and_numbers(make: Callable[..., Backbone]) -> None:
    torch.manual_seed(0)
    network = make(dim=8, input_hw=(32, 32))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    before = dict(network.named_parameters())
    names, modes = list(network.state_dict()), [m.training for m in network.modules()]

    def features_and_gradients() -> list[Tensor]:
        features = network(images)
        free = [p for p in network.parameters() if p.requires_grad]
        return [features.detach(), *torch.autograd.grad(features.square().sum(), free)]

    wanted = features_and_gradients()
    use_cpu_layers(network)
    kinds = {type(module) for module in network.modules()}
    assert CpuPReLU in kinds
    assert nn.PReLU not in kinds
    assert (CpuConv2d in kinds) == isinstance(network, IResNet)
    assert list(network.state_dict()) == names
    assert [m.training for m in network.modules()] == modes
    assert all(parameter is before[n] for n, parameter in network.named_parameters())
    for got, right in zip(features_and_gradients(), wanted, strict=True):
        torch.testing.assert_close(got, right, rtol=1e-3, atol=1e-3 * float(right.abs().max()))


def test_what_it_does_not_know_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(nn.PReLU):
        pass

    others = [
        nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.Conv2d(16, 16, 3, padding=1, bias=False, groups=2),
        nn.Conv2d(16, 16, 1, bias=False),
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        Own(),
    ]
    network = nn.Sequential(*others, nn.Conv2d(16, 16, 3, padding=1, bias=False))
    use_cpu_layers(network)
    assert list(network)[:-1] == others
    assert type(network[-1]) is CpuConv2d
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    network = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False))
    use_cpu_layers(network)
    assert type(network[0]) is nn.Conv2d


def test_half_precision_takes_torchs_way() -> None:
    network = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.PReLU(16))
    use_cpu_layers(network)
    images = torch.randn(2, 16, 5, 5).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        network(images).float().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
