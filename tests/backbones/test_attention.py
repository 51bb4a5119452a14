import pytest
import torch
from torch import nn

from vultus.backbones.attention import AttentionModule, AttentionNet, MaskBranch
from vultus.backbones.complexity import complexity_of


@pytest.mark.parametrize(
    ("modules", "depth", "published"), [((1, 1, 1), 56, 31.9e6), ((1, 2, 3), 92, 51.3e6)]
)
def test_the_stages_are_those_of_the_paper(
    modules: tuple[int, int, int], depth: int, published: float
) -> None:
    with torch.device("meta"):
        net = AttentionNet(modules=modules)
    stages = sum(p.numel() for p in net.stages.parameters())
    stem, last_bn, classes = 64 * 3 * 49 + 2 * 64, 2 * 2048, 2048 * 1000 + 1000
    assert stages + stem + last_bn + classes == pytest.approx(published, rel=0.025)
    units = sum(5 if isinstance(stage, AttentionModule) else 1 for stage in net.stages)
    trunk_units = units - sum(isinstance(stage, AttentionModule) for stage in net.stages)
    assert 3 * trunk_units + 2 == depth


def test_multiply_adds_at_112_are_those_of_the_paper_at_224() -> None:
    assert complexity_of("attention92").macs == pytest.approx(10.4e9, rel=0.02)


def test_a_mask_of_zero_leaves_the_trunk_and_one_doubles_it() -> None:
    torch.manual_seed(0)
    module = AttentionModule(8, levels=2).eval()
    maps = torch.randn(1, 8, 12, 10)
    trunk = module.trunk(module.before(maps))
    last = module.mask[-1]
    assert isinstance(last, nn.Sigmoid)
    for mask, factor in ((0.0, 1.0), (1.0, 2.0)):
        module.mask[-1] = Constant(mask)
        assert torch.allclose(module(maps), module.after(factor * trunk), atol=1e-6)


class Constant(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.full_like(maps, self.value)


@pytest.mark.parametrize("size", [(14, 14), (13, 9), (7, 5)])
def test_the_mask_comes_back_to_any_size(size: tuple[int, int]) -> None:
    mask = MaskBranch(8, levels=3).eval()
    assert mask(torch.randn(1, 8, *size)).shape == (1, 8, *size)


def test_a_mask_sees_far_and_a_trunk_does_not() -> None:
    torch.manual_seed(0)
    mask = MaskBranch(8, levels=3).eval()
    maps = torch.randn(1, 8, 32, 32)
    other = maps.clone()
    other[..., 0, 0] += 10
    with torch.no_grad():
        change = (mask(other) - mask(maps)).abs().amax(dim=1)[0]
    assert change[20, 20] > 0
