import math

import pytest
import torch
from torch import Tensor

from vultus.backbones.vit import FaceViT, TransformerBlock
from vultus.core.errors import InputError


def attention_by_loops(block: TransformerBlock, tokens: Tensor) -> Tensor:
    """Multi-head attention of one image, one head and one token at a time."""
    count, width = tokens.shape
    qkv = tokens @ block.qkv.weight.T + block.qkv.bias
    query, key, value = qkv[:, :width], qkv[:, width : 2 * width], qkv[:, 2 * width :]
    size = width // block.heads
    out = torch.zeros_like(tokens)
    for head in range(block.heads):
        part = slice(head * size, (head + 1) * size)
        for row in range(count):
            weights = torch.softmax(key[:, part] @ query[row, part] / math.sqrt(size), dim=0)
            out[row, part] = weights @ value[:, part]
    return out @ block.out.weight.T + block.out.bias


def test_a_block_against_loops() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(12, heads=3).double()
    tokens = torch.randn(2, 5, 12, dtype=torch.float64)
    with torch.no_grad():
        got = block(tokens)
        for image in range(2):
            mixed = tokens[image] + attention_by_loops(block, block.norm1(tokens[image]))
            wanted = mixed + block.mlp(block.norm2(mixed))
            torch.testing.assert_close(got[image], wanted)


def test_drop_path_leaves_out_whole_branches_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, heads=2, drop_path=0.25)
    branch = block._dropped(torch.ones(20_000, 3, 8))
    values = branch[:, 0, 0]
    assert sorted(set(values.tolist())) == pytest.approx([0, 4 / 3])
    assert torch.equal(branch, values[:, None, None].expand_as(branch))
    assert float(values.mean()) == pytest.approx(1.0, abs=0.02)
    assert torch.equal(block.eval()._dropped(torch.ones(2, 3, 8)), torch.ones(2, 3, 8))


def test_drop_path_grows_with_depth() -> None:
    net = FaceViT(width=16, depth=3, heads=2, input_hw=(18, 18), drop_path=0.1)
    assert [block.drop_path for block in net.blocks] == pytest.approx([0.0, 0.05, 0.1])


def test_pixels_beyond_the_last_whole_patch_are_not_seen() -> None:
    torch.manual_seed(0)
    net = FaceViT(width=16, depth=1, heads=2, dim=4, input_hw=(20, 29)).eval()
    assert net.positions.shape == (1, 2 * 3, 16)
    images = torch.rand(1, 3, 20, 29)
    changed = images.clone()
    changed[:, :, 18:] = 0
    changed[:, :, :, 27:] = 0
    with torch.no_grad():
        assert torch.equal(net(images), net(changed))
        changed[0, 0, 17, 26] += 1
        assert not torch.equal(net(images), net(changed))


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="heads must divide width"):
        FaceViT(width=30, depth=1)
    with pytest.raises(InputError, match="at least 16"):
        FaceViT(width=16, depth=1, input_hw=(8, 112), patch=16)
    with pytest.raises(InputError, match="drop_path"):
        FaceViT(width=16, depth=1, drop_path=1.0)
