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


def masked(**settings: object) -> FaceViT:
    values = {"width": 16, "depth": 1, "heads": 2, "dim": 4, "input_hw": (45, 36)}
    return FaceViT(**{"mask_share": 0.3, **values, **settings})  # type: ignore[arg-type]


def test_the_blocks_see_other_tokens_of_every_image_in_training() -> None:
    torch.manual_seed(0)
    net = masked(drop_path=0.0).double()
    seen: list[Tensor] = []
    net.blocks.register_forward_pre_hook(lambda _, tokens: seen.append(tokens[0]))
    out: list[Tensor] = []
    net.head.register_forward_pre_hook(lambda _, rows: out.append(rows[0]))
    images = torch.rand(3, 3, 45, 36, dtype=torch.float64)
    net(images)
    all_tokens = net.patches(images).flatten(2).transpose(1, 2) + net.positions
    assert net.mask_token is not None
    chosen = []
    for image in range(3):
        assert seen[0][image].shape == (14, 16)  # 70 % of 20
        far = torch.cdist(seen[0][image], all_tokens[image])
        places = far.argmin(dim=1).tolist()
        assert len(set(places)) == 14
        wanted = net.mask_token[0].expand(20, -1).clone()
        wanted[places] = net.norm(net.blocks(seen[0][image][None]))[0]
        torch.testing.assert_close(out[0][image].view(20, 16), wanted)
        chosen.append(frozenset(places))
    assert len(set(chosen)) == 3


def test_every_token_counts_without_training() -> None:
    torch.manual_seed(0)
    net, plain = masked().eval(), masked(mask_share=0.0).eval()
    state = net.state_dict()
    del state["mask_token"]
    plain.load_state_dict(state)
    images = torch.rand(2, 3, 45, 36)
    assert torch.equal(net(images), plain(images))


def test_masking_learns_its_token_under_autocast_too() -> None:
    torch.manual_seed(0)
    net = masked()
    with torch.autocast("cpu", torch.bfloat16):
        features = net(torch.rand(4, 3, 45, 36))
    features.float().square().sum().backward()
    assert net.mask_token is not None
    assert net.mask_token.grad is not None
    assert net.mask_token.grad.abs().max() > 0


def test_a_share_that_masks_no_whole_token_masks_none() -> None:
    assert masked(mask_share=0.0).mask_token is None
    assert masked(mask_share=0.99).kept == 1
    assert "mask_token" not in masked(mask_share=0.0).state_dict()


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="heads must divide width"):
        FaceViT(width=30, depth=1)
    with pytest.raises(InputError, match="at least 16"):
        FaceViT(width=16, depth=1, input_hw=(8, 112), patch=16)
    with pytest.raises(InputError, match="drop_path"):
        FaceViT(width=16, depth=1, drop_path=1.0)
    with pytest.raises(InputError, match="mask_share"):
        masked(mask_share=1.0)
