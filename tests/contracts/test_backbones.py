"""What every registered backbone keeps to; new names are picked up by themselves."""

import inspect
import io
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from vultus.backbones import BACKBONE_INFO, BACKBONES, Backbone
from vultus.core.errors import InputError

DIM = 16
NAMES = sorted(BACKBONES)

QUICK: dict[str, dict[str, Any]] = {
    "attention56": {"input_hw": (32, 32)},
    "edgeface-xs": {"input_hw": (40, 40), "widths": (8, 16, 20, 24), "depths": (1, 2, 2, 2)},
    "facelivtv2-xs": {"input_hw": (40, 40), "depths": (1, 1, 1, 1), "head_width": 32},
    "facenet-nn1": {"input_hw": (32, 32)},
    "facenet-nn2": {"input_hw": (64, 64)},
    "ghostfacenetv1-2": {"input_hw": (32, 32), "width": 0.5},
    "inception-resnet-v1": {"input_hw": (80, 80)},
    "iresnet18": {"input_hw": (48, 48)},
    "mobilefacenet": {"input_hw": (48, 48)},
    "mobilefacenet-relu": {"input_hw": (48, 48)},
    "spatial-transformer": {"input_hw": (48, 48)},
    "sphereface20": {"input_hw": (48, 32)},
    "sphereface4-bn": {"input_hw": (48, 32)},
    "squeezenet": {"input_hw": (64, 64)},
    "vgg16": {"input_hw": (32, 32)},
    "vit-t": {"input_hw": (40, 40)},
    "vultusnet-s": {"input_hw": (64, 64)},
}
"""Settings with which one network of each class computes in no time; others are slow tests."""

HEAVY = {"attention56", "facenet-nn1", "vgg16"}
"""Slow also then: tens of millions of parameters at any size."""

TRIALS = [
    pytest.param(n, marks=() if n in QUICK and n not in HEAVY else pytest.mark.slow) for n in NAMES
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(name: str, *, seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    return BACKBONES.create(name, dim=DIM, **QUICK.get(name, {}))


def images_for(backbone: Backbone, rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(rows, 3, *backbone.input_hw, generator=generator) * 2 - 1


def channels_last(backbone: Backbone) -> Backbone:
    return backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def settled(backbone: Backbone) -> Backbone:
    """In eval mode, with running statistics of real activations: untrained nets blow up else."""
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        backbone.train()(images_for(backbone, 4))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return backbone.eval()


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_attributes(name: str) -> None:
    with torch.device("meta"):
        backbone = BACKBONES.create(name, dim=24)
        features = backbone.eval()(torch.empty(2, 3, *backbone.input_hw))
    assert features.shape == (2, 24)
    assert (backbone.dim, type(backbone.input_hw)) == (24, tuple)
    assert (
        backbone.input_hw == inspect.signature(BACKBONES.get(name)).parameters["input_hw"].default
    )


@pytest.mark.parametrize("name", NAMES)
def test_wrong_images_give_one_clear_error(name: str) -> None:
    with torch.device("meta"):
        backbone = BACKBONES.create(name)
        height, width = backbone.input_hw
        for wrong in (
            torch.empty(2, 3, height, width + 1),
            torch.empty(2, height, width, 3),
            torch.empty(2, 3, height, width, dtype=torch.uint8),
        ):
            with pytest.raises(InputError, match=rf"images must be .*\(b, 3, {height}, {width}\)"):
                backbone(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_where_it_comes_from(name: str) -> None:
    assert BACKBONE_INFO[name].paper


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(InputError, match="dimm"):
        BACKBONES.create(name, dimm=3)
    with pytest.raises(InputError, match="dim"), torch.device("meta"):
        BACKBONES.create(name, dim=0)
    with pytest.raises(InputError, match="input_hw"), torch.device("meta"):
        BACKBONES.create(name, input_hw=(1, 0))


@pytest.mark.parametrize("name", TRIALS)
def test_eval_is_deterministic_and_rows_do_not_see_each_other(name: str) -> None:
    backbone = settled(make(name))
    images = images_for(backbone, 3)
    with torch.no_grad():
        together = backbone(images)
        again = backbone(images)
        alone = torch.cat([backbone(image[None]) for image in images])
    assert together.isfinite().all()
    assert torch.equal(together, again)
    assert (together[0] - together[1]).abs().max() > 0
    torch.testing.assert_close(alone, together, rtol=1e-3, atol=1e-4 * float(together.abs().max()))


@pytest.mark.parametrize("name", TRIALS)
def test_channels_last_gives_the_same(name: str) -> None:
    backbone = settled(make(name))
    images = images_for(backbone, 2)
    with torch.no_grad():
        single = backbone(images)
        backbone.double()
        wanted = backbone(images.double())
        channels_last(backbone)
        laid_out = images.contiguous(memory_format=torch.channels_last)
        got = backbone(laid_out.double())
        got_single = backbone.float()(laid_out)
    scale = float(wanted.abs().max())
    # The layouts add the same products up in another order. In float64 that costs some 1e-12 of the
    # scale, so what differs by more is a wrong layout.
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-9 * scale)
    # In float32 a deep untrained network carries the rounding of its first layers to the end: up to
    # 5e-4 of the scale (attention92 with AVX-512 kernels), by an amount that the CPU's kernels
    # decide. So a layout is held to what the other one loses, not to the other one's digits.
    lost = float((single - wanted).abs().max())
    assert float((got_single - wanted).abs().max()) < 10 * lost + 1e-5 * scale


@pytest.mark.parametrize("name", TRIALS)
def test_bf16_autocast_trains_in_channels_last(name: str) -> None:
    backbone = channels_last(make(name))
    images = images_for(backbone, 2).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        features = backbone(images)
    features.float().square().mean().backward()
    assert features.isfinite().all()
    gradients = [p.grad for p in backbone.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", TRIALS)
def test_gradients_reach_every_parameter(name: str) -> None:
    backbone = make(name)
    features = backbone(images_for(backbone, 3))
    (features * torch.randn(features.shape)).sum().backward()
    unreached = [
        parameter_name
        for parameter_name, parameter in backbone.named_parameters()
        if parameter.requires_grad
        and (
            parameter.grad is None
            or not parameter.grad.isfinite().all()
            or not parameter.grad.any()
        )
    ]
    assert unreached == []


@pytest.mark.parametrize("name", TRIALS)
def test_state_dict_round_trip_through_safetensors(name: str) -> None:
    backbone, other = settled(make(name)), make(name, seed=7).eval()
    stored = io.BytesIO(save(backbone.state_dict()))
    other.load_state_dict(load(stored.getvalue()))
    images = images_for(backbone, 2)
    with torch.no_grad():
        assert torch.equal(other(images), backbone(images))


def compiled_difference(name: str, backend: str) -> float:
    """Largest difference that `torch.compile` makes, as a share of the largest feature."""
    torch._dynamo.reset()
    backbone = settled(make(name))
    images = images_for(backbone, 2)
    with torch.no_grad():
        wanted = backbone(images)
        got = torch.compile(backbone, backend=backend, fullgraph=True)(images)
    return float((got - wanted).abs().max() / wanted.abs().max())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own
@pytest.mark.parametrize("name", sorted(QUICK))
def test_torch_compile_sees_one_graph(name: str) -> None:
    assert compiled_difference(name, "aot_eager") < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own
@pytest.mark.parametrize("name", sorted(set(NAMES) - QUICK.keys()))
def test_torch_compile_sees_one_graph_of_the_larger_ones_too(name: str) -> None:
    torch._dynamo.reset()
    with torch.device("meta"):  # shapes without numbers: the numbers are those of the small ones
        backbone = BACKBONES.create(name, dim=24).eval()
        images = torch.empty(2, 3, *backbone.input_hw)
        with torch.no_grad():
            features = torch.compile(backbone, backend="eager", fullgraph=True)(images)
    assert features.shape == (2, 24)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("name", ["sphereface4-bn", "vultusnet-s"])
def test_compiled_code_gives_the_same(name: str) -> None:
    assert compiled_difference(name, "inductor") < 1e-4
