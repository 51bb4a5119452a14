import pytest
import torch
from tests.backbones.patterns import told_apart

from vultus.backbones.complexity import complexity
from vultus.backbones.ghostfacenet import (
    GhostBottleneck,
    GhostFaceNet,
    GhostModule,
    SqueezeExcitation,
    Stage,
)
from vultus.core.errors import InputError


@pytest.mark.parametrize(("stride", "numbers"), [(1, 4_088_300), (2, 4_066_388)])
def test_it_has_as_many_numbers_as_is_published(stride: int, numbers: int) -> None:
    size = complexity(GhostFaceNet(stride=stride), input_hw=(112, 112))
    assert size.parameters + size.buffers == numbers
    # 4.09 million and some 60 million multiply-adds at stride 2.
    assert round(size.parameters + size.buffers, -4) == (4_090_000 if stride == 1 else 4_070_000)
    assert stride == 1 or round(size.macs, -6) == 59_000_000


def test_maps_shrink_where_the_published_code_shrinks_them() -> None:
    net = GhostFaceNet(width=1.0).eval()
    maps = net.stem(torch.zeros(1, 3, 112, 112))
    assert maps.shape == (1, 16, 56, 56)
    sizes = []
    for stage in net.stages:
        maps = stage(maps)
        sizes.append(tuple(maps.shape[1:3]))
    wanted = [(16, 56), *[(24, 28)] * 2, *[(40, 14)] * 2, *[(80, 7)] * 4, *[(112, 7)] * 2]
    assert sizes == [*wanted, *[(160, 4)] * 5]
    assert net.weigh(net.widen(maps)).shape == (1, 512, 1, 1)
    weigh = dict(GhostFaceNet(width=0.5, stride=1).named_parameters())["weigh.0.weight"]
    assert weigh.shape[2:] == (7, 7)


def test_half_of_a_ghost_modules_maps_are_made_of_the_other_half() -> None:
    torch.manual_seed(0)
    module = GhostModule(5, 8, activates=True).eval()
    maps = torch.randn(2, 5, 6, 6)
    out = module(maps)
    assert out.shape == (2, 8, 6, 6)
    kernel = dict(module.named_parameters())["primary.0.weight"]
    primary = torch.einsum("oi,bihw->bohw", kernel[:, :, 0, 0], maps)
    primary = primary / (1 + 1e-5) ** 0.5  # an untrained normalisation
    primary = torch.where(primary > 0, primary, 0.25 * primary)
    torch.testing.assert_close(out[:, :4], primary)
    changed = maps.clone()
    changed[0, :, 0, 0] += 1
    difference = (module(changed) - out)[0].abs().amax(dim=0) > 0
    assert difference[:2, :2].any()
    assert not difference[2:].any()


def test_squeeze_and_excitation_weighs_channels_by_the_whole_map() -> None:
    module = SqueezeExcitation(16)
    maps = torch.randn(2, 16, 5, 5)
    weights = module(maps) / maps
    assert (weights >= 0).all()
    assert (weights <= 1).all()
    torch.testing.assert_close(weights, weights[:, :, :1, :1].expand_as(weights))


@pytest.mark.parametrize(("out", "stride"), [(8, 1), (8, 2), (12, 1)])
def test_a_bottleneck_passes_on_what_it_got(out: int, stride: int) -> None:
    block = GhostBottleneck(8, Stage(3, 16, out, True, stride)).eval()
    maps = torch.randn(1, 8, 6, 6)
    assert block(maps).shape == (1, out, 6 // stride, 6 // stride)
    with torch.no_grad():
        for parameter in block.layers[-1].parameters():
            parameter.zero_()  # the branch gives 0
    torch.testing.assert_close(block(maps), block.shortcut(maps))
    assert (stride == 1 and out == 8) == isinstance(block.shortcut, torch.nn.Identity)


def test_it_learns_to_tell_patterns_apart() -> None:
    assert told_apart(lambda: GhostFaceNet(dim=8, input_hw=(32, 32), width=0.5), n_steps=30) > 0.9


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"stride": 3}, "stride must be 1 or 2"),
        ({"width": 0.0}, "width"),
        ({"input_hw": (31, 112)}, "at least 32"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        GhostFaceNet(**settings)  # type: ignore[arg-type]
