import numpy as np
import pytest
import torch
from tests.backbones.patterns import told_apart
from torch import nn

from vultus.backbones.complexity import complexity, complexity_of
from vultus.backbones.facelivt import FaceLiVT, MergeableNorm, MergedConvolution, PlaceMixing
from vultus.core.errors import InputError
from vultus.export.graph import onnx_graph
from vultus.runtime.session import open_session


def tiny(**settings: object) -> FaceLiVT:
    values = {"widths": (8, 12, 16, 24), "depths": (1, 1, 1, 1), "head_width": 32, "dim": 8}
    return FaceLiVT(**{"input_hw": (32, 32), **values, **settings})  # type: ignore[arg-type]


def settled(module: nn.Module, maps: torch.Tensor) -> nn.Module:
    """With normalisations that do something, in eval mode."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias)
    with torch.no_grad():
        module.train()(maps)
    return module.eval()


# Multiply-adds of the authors' code, whose features these networks have with its weights.
@pytest.mark.parametrize(
    ("name", "macs", "published"),
    [
        ("facelivtv2-xs", 88_300_800, 90e6),
        ("facelivtv2-s", 176_221_024, 179e6),
        ("facelivtv2-m", 254_172_816, 258e6),
        ("facelivtv2-l", 328_540_608, None),  # the authors' table is not of their code
    ],
)
def test_it_is_as_large_as_the_authors_code(name: str, macs: int, published: float | None) -> None:
    assert complexity_of(name).macs == macs
    assert published is None or macs == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"stride": 2},
        {"depthwise": True},
        {"depthwise": True, "stride": 2},
        {"depthwise": True, "shortcut": True},
    ],
)
def test_what_is_several_in_training_is_one_convolution_afterwards(
    settings: dict[str, bool | int],
) -> None:
    torch.manual_seed(0)
    outs = 6 if settings.get("depthwise") else 4
    layer = MergedConvolution(6, outs, **settings)  # type: ignore[arg-type]
    maps = torch.randn(3, 6, 7, 8)
    settled(layer.double(), maps.double())
    places = maps.double()[:, :, :: layer.stride, :: layer.stride]
    separate = layer.norm(layer.window(maps.double()) + layer.point(places))
    if settings.get("shortcut"):
        separate = separate + maps.double()
    torch.testing.assert_close(layer(maps.double()), separate)
    assert layer.merged()[0].shape == (outs, 1 if settings.get("depthwise") else 6, 3, 3)
    # In training mode the batch's own statistics count.
    assert not torch.allclose(layer.train()(2 * maps.double()), layer.eval()(2 * maps.double()))


def test_gradients_do_not_depend_on_the_layout_in_memory() -> None:
    torch.manual_seed(0)
    layer = MergedConvolution(3, 24, stride=2)
    images = torch.randn(8, 3, 112, 112)
    wanted = torch.randn(8, 24, 56, 56)
    found = []
    for laid_out in (images, images.contiguous(memory_format=torch.channels_last)):
        layer.zero_grad()
        (layer(laid_out) * wanted).sum().backward()
        found.append(layer.point.weight.grad.clone())  # type: ignore[union-attr]
    scale = float(found[0].abs().max())
    assert scale > 1
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-3 * scale)


def test_weights_that_are_loaded_later_are_merged_too() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 6, 5, 5)
    one = settled(MergedConvolution(6, 6, depthwise=True), maps)
    other = MergedConvolution(6, 6, depthwise=True).eval()
    other(maps)
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(maps), one(maps))


def test_a_normalisation_without_statistics_is_not_merged() -> None:
    with pytest.raises(InputError, match="running statistics"):
        MergeableNorm(3, track_running_stats=False).gain_and_shift()


def test_places_are_mixed_by_the_matrix_of_their_head() -> None:
    torch.manual_seed(0)
    layer = PlaceMixing(6, hw=(2, 3), heads=2)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    maps = torch.randn(2, 6, 2, 3)
    wanted = maps.clone()
    for image in range(2):
        for channel in range(6):
            row = maps[image, channel].flatten() * layer.gain[channel, 0, 0]
            row = row + layer.shift[channel, 0, 0]
            head = channel // 3
            mixed = layer.weight[head] @ row + layer.bias[head, 0]
            wanted[image, channel] += (layer.branch_weight[channel, 0, 0] * mixed).view(2, 3)
    torch.testing.assert_close(layer(maps), wanted)


def test_maps_of_odd_sides_are_halved_upwards() -> None:
    net = FaceLiVT(widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), head_width=4, input_hw=(112, 96))
    mixing = [layer for layer in net.stages if isinstance(layer, PlaceMixing)]
    assert [layer.shape for layer in mixing] == [(8, 7, 6), (8, 4, 3)]
    assert complexity(net, input_hw=(112, 96)).input_hw == (112, 96)


def test_it_is_written_as_one_convolution_each() -> None:
    torch.manual_seed(0)
    net = tiny()
    images = torch.rand(3, 3, 32, 32)
    settled(net, images)
    model = onnx_graph(net)
    operations = [node.op_type for node in model.graph.node]
    # 2 of the stem; 3 of each of the 4 blocks; 4 of each halving; 2 of the head.
    assert operations.count("Conv") == 2 + 4 * 3 + 3 * 4 + 2
    assert {"BatchNormalization", "Sqrt", "Shape"}.isdisjoint(operations)
    session = open_session(model.SerializeToString(), threads=1)
    for rows in (images, images[:1]):
        with torch.inference_mode():
            wanted = net(rows).numpy()
        got = session.run({"crops": rows.numpy()})[0]
        np.testing.assert_allclose(got, wanted, atol=1e-4 * float(np.abs(wanted).max()))


def test_it_learns_to_tell_patterns_apart() -> None:
    assert told_apart(tiny, n_steps=40) > 0.9


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"widths": (8, 12, 16)}, "four each"),
        ({"depths": (1, 0, 1, 1)}, "at least 1"),
        ({"widths": (9, 12, 16, 24)}, "divisible by 2"),
        ({"widths": (8, 12, 18, 24)}, "last two by 4"),
        ({"input_hw": (31, 112)}, "at least 32"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        tiny(**settings)
