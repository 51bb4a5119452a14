import math

import numpy as np
import pytest
import torch
from tests.backbones.patterns import told_apart

from vultus.backbones import BACKBONES
from vultus.backbones.complexity import complexity_of
from vultus.backbones.edgeface import (
    AttendingBlock,
    ChannelAttention,
    ChannelNorm,
    ConvolutionBlock,
    EdgeFace,
    LowRankLinear,
    Perceptron,
    Positions,
)
from vultus.core.errors import InputError
from vultus.export.graph import onnx_graph
from vultus.runtime.session import open_session


def tiny(**settings: object) -> EdgeFace:
    values = {"widths": (8, 16, 24, 32), "depths": (1, 2, 2, 2), "dim": 8, "input_hw": (32, 32)}
    return EdgeFace(**{**values, **settings})  # type: ignore[arg-type]


# Parameters of timm's EdgeNeXt with its matrices replaced by pairs of low rank, which loads into
# these networks by name and gives the same features to 2e-10.
@pytest.mark.parametrize(
    ("name", "parameters", "operations"),
    [
        ("edgeface-xxs", 1_244_744, 94.72e6),
        ("edgeface-xs", 1_770_492, 154.0e6),
        ("edgeface-s", 3_652_520, 306.12e6),
        ("edgeface-base", 18_225_812, 1398.83e6),
    ],
)
def test_it_is_as_large_as_is_published(name: str, parameters: int, operations: float) -> None:
    size = complexity_of(name)
    assert size.parameters == parameters
    assert 2 * size.macs == pytest.approx(operations, rel=2e-3)


def test_names_are_those_of_the_authors_networks() -> None:
    names = dict(BACKBONES.create("edgeface-xs").named_parameters())
    assert len(names) == 257
    for name, shape in (
        ("stem.0.weight", (32, 3, 4, 4)),
        ("stages.0.blocks.2.mlp.fc1.linear1.weight", (19, 32)),
        ("stages.1.downsample.1.weight", (64, 32, 2, 2)),
        ("stages.1.blocks.2.pos_embd.token_projection.weight", (64, 64, 1, 1)),
        ("stages.2.blocks.8.convs.1.weight", (34, 1, 3, 3)),
        ("stages.3.blocks.2.xca.qkv.linear2.bias", (576,)),
        ("stages.3.blocks.2.gamma_xca", (192,)),
        ("head.fc.linear1.weight", (115, 192)),
    ):
        assert names[name].shape == shape


def test_a_matrix_of_low_rank_is_a_product() -> None:
    torch.manual_seed(0)
    layer = LowRankLinear(6, 5, rank=2, bias=True)
    product = layer.linear2.weight @ layer.linear1.weight
    assert torch.linalg.matrix_rank(product) == 2
    rows = torch.randn(3, 4, 6)
    torch.testing.assert_close(layer(rows), rows @ product.T + layer.linear2.bias)


def test_the_whole_rank_is_one_matrix() -> None:
    assert isinstance(Perceptron(8, rank_share=None).fc1, torch.nn.Linear)
    layer = Perceptron(8, rank_share=0.1).fc1
    assert isinstance(layer, LowRankLinear)
    assert layer.linear1.weight.shape == (2, 8)  # never below 2


def test_attention_of_channels_against_loops() -> None:
    torch.manual_seed(0)
    layer = ChannelAttention(6, heads=2, rank_share=None).double()
    layer.temperature.data = torch.tensor([0.5, 3.0], dtype=torch.float64).view(2, 1, 1)
    places = torch.randn(2, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        got = layer(places)
        for image in range(2):
            query, key, value = layer.qkv(places[image]).split(6, dim=1)
            mixed = torch.zeros(5, 6, dtype=torch.float64)
            for channel in range(6):
                head = channel // 3
                others = range(3 * head, 3 * head + 3)
                cosines = torch.stack(
                    [
                        query[:, channel] @ key[:, other]
                        / (query[:, channel].norm() * key[:, other].norm())
                        for other in others
                    ]
                )  # fmt: skip
                weights = torch.softmax(cosines * layer.temperature[head, 0, 0], dim=0)
                for weight, other in zip(weights, others, strict=True):
                    mixed[:, channel] += weight * value[:, other]
            torch.testing.assert_close(got[image], layer.proj(mixed))


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_groups_of_channels_are_convolved_one_behind_the_other(parts: int) -> None:
    torch.manual_seed(0)
    block = AttendingBlock(4 * parts - 1, parts=parts, heads=1, rank_share=None)
    maps = torch.randn(2, 4 * parts - 1, 5, 5)
    got = block._convolved(maps)
    assert torch.equal(got[:, 4 * (parts - 1) :], maps[:, 4 * (parts - 1) :])
    before = torch.zeros(2, 4, 5, 5)
    for part, conv in enumerate(block.convs):
        before = conv(before + maps[:, 4 * part : 4 * part + 4])
        torch.testing.assert_close(got[:, 4 * part : 4 * part + 4], before)


def test_blocks_begin_as_their_shortcuts() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 8, 6, 6)
    for block in (
        ConvolutionBlock(8, kernel=3, rank_share=0.5),
        AttendingBlock(8, parts=2, heads=2, rank_share=0.5, position_hw=(6, 6)),
    ):
        torch.testing.assert_close(block(maps), maps, rtol=0, atol=1e-4)
        block.gamma.data.fill_(1.0)
        assert (block(maps) - maps).abs().max() > 0.1


def test_channels_of_a_place_are_normalised() -> None:
    maps = torch.randn(2, 8, 3, 4) * 5 + 2
    out = ChannelNorm(8)(maps)
    torch.testing.assert_close(out.mean(dim=1), torch.zeros(2, 3, 4), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        out.var(dim=1, unbiased=False), torch.ones(2, 3, 4), rtol=1e-4, atol=0
    )


def test_places_are_told_by_waves_of_row_and_column() -> None:
    waves = Positions(5, hw=(4, 7)).waves
    assert waves.shape == (1, 64, 4, 7)
    for row, column, pair in ((0, 0, 0), (2, 5, 3), (3, 6, 15)):
        rate = 10_000 ** (-2 * pair / 32)
        for offset, turn in ((0, (row + 1) / 4), (32, (column + 1) / 7)):
            sine, cosine = waves[0, offset + 2 * pair : offset + 2 * pair + 2, row, column].tolist()
            assert sine == pytest.approx(math.sin(2 * math.pi * turn * rate), abs=1e-4)
            assert cosine == pytest.approx(math.cos(2 * math.pi * turn * rate), abs=1e-4)


def test_weights_of_one_size_of_images_serve_another() -> None:
    tiny(input_hw=(48, 40)).load_state_dict(tiny().state_dict())


def test_it_learns_to_tell_patterns_apart() -> None:
    assert told_apart(lambda: tiny(rank_share=0.6), n_steps=80) > 0.9


def test_it_can_be_written_as_onnx() -> None:
    net = tiny().eval()
    for name, weight in net.named_parameters():
        if "gamma" in name:
            weight.data.fill_(0.5)
    images = torch.rand(3, 3, 32, 32)
    session = open_session(onnx_graph(net).SerializeToString(), threads=1)
    for rows in (images, images[:1]):
        with torch.inference_mode():
            wanted = net(rows).numpy()
        np.testing.assert_allclose(session.run({"crops": rows.numpy()})[0], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rank_share": 0.0}, "rank_share"),
        ({"rank_share": 1.5}, "rank_share"),
        ({"widths": (8, 16, 24)}, "four each"),
        ({"depths": (1, 1, 1, 0)}, "at least 1"),
        ({"widths": (8, 16, 22, 32)}, "heads must divide"),
        ({"heads": 0}, "at least 1"),
        ({"input_hw": (31, 112)}, "at least 32"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        tiny(**settings)
