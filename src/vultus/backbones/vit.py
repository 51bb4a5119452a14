"""Vision transformers for faces: no class token, every token enters the feature."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from vultus.backbones.base import (
    Backbone,
    BackboneInfo,
    Published,
    check_input_hw,
    register_backbone,
)
from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError


class TransformerBlock(nn.Module):
    """LayerNorm - attention and LayerNorm - MLP, each beside a shortcut.

    Args:
        width: Length of a token.
        heads: Attention heads; must divide ``width``.
        drop_path: Probability, in training, that an image skips a branch (stochastic depth,
            Huang et al., ECCV 2016).
    """

    def __init__(self, width: int, *, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU6(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(b, n, width) -> (b, n, width)."""
        tokens = tokens + self._dropped(self._attention(self.norm1(tokens)))
        return tokens + self._dropped(self.mlp(self.norm2(tokens)))

    def _attention(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, count, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, count, width))
        return out

    def _dropped(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0:
            return branch
        kept = torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop_path
        return branch * kept.to(branch.dtype) / (1 - self.drop_path)


class FaceViT(Backbone):
    """Transformer over patches; all tokens are concatenated and projected to the feature.

    The sizes are those of the arcface_torch project: patches of 9 pixels (so a 112x112 crop has
    12x12 of them and its last 4 rows and columns are not seen), 8 heads, ReLU6 in the MLP, a head
    of two linear layers each with batch normalisation.

    Args:
        width: Length of a token.
        depth: Number of blocks.
        heads: Attention heads; must divide ``width``.
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least ``patch``.
        patch: Height and width of a patch, in pixels. What is left over at the lower and right
            edge is not seen.
        drop_path: Probability of skipping a branch in the last block; grows linearly from 0.
        mask_share: Share of the tokens, in [0, 1), that the blocks do not see in training: other
            ones for every image and step. A learnt token stands in their places behind the blocks.
            Steps take less time, and no place alone decides who somebody is.

    Raises:
        InputError: If a setting does not fit.
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        heads: int = 8,
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 112),
        patch: int = 9,
        drop_path: float = 0.05,
        mask_share: float = 0.0,
    ) -> None:
        check_positive_int("patch", patch)
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=patch))
        check_range("drop_path", drop_path, low=0, high=1, high_open=True)
        if check_positive_int("width", width) % check_positive_int("heads", heads):
            raise InputError(f"heads must divide width, got heads {heads} and width {width}")
        check_range("mask_share", mask_share, low=0, high=1, high_open=True)
        count = (self.input_hw[0] // patch) * (self.input_hw[1] // patch)
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(torch.zeros(1, count, width))
        self.kept = max(1, int(count * (1 - mask_share)))
        # Only where it is needed: a state dict without masking has no such entry.
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width)) if self.kept < count else None
        last = check_positive_int("depth", depth) - 1
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(width, heads=heads, drop_path=drop_path * block / max(last, 1))
                for block in range(depth)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(
            nn.Linear(count * width, width, bias=False),
            nn.BatchNorm1d(width, eps=2e-5),
            nn.Linear(width, dim, bias=False),
            nn.BatchNorm1d(dim, eps=2e-5),
        )
        self._initialise()

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        if self.training and self.mask_token is not None:
            seen = self._seen_by_some(tokens, self.mask_token)
        else:
            seen = self.norm(self.blocks(tokens))
        features: Tensor = self.head(seen.flatten(1))
        return features

    def _seen_by_some(self, tokens: Tensor, mask_token: Tensor) -> Tensor:
        """(b, n, width) -> (b, n, width): the blocks see some tokens of each image only."""
        order = torch.rand(tokens.shape[:2], device=tokens.device).argsort(dim=1)
        kept = order[:, : self.kept, None].expand(-1, -1, tokens.shape[2])
        seen = self.norm(self.blocks(tokens.gather(1, kept)))
        return mask_token.to(seen.dtype).expand_as(tokens).scatter(1, kept, seen)

    def _initialise(self) -> None:
        nn.init.trunc_normal_(self.positions, std=0.02)
        if self.mask_token is not None:
            nn.init.trunc_normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


PAPER = "Dosovitskiy et al., ViT, ICLR 2021; sizes and head as arcface_torch (An et al., CVPR 2022)"
SOURCE = "arcface_torch, README (FLOPs)"
SIZES = {"t": (256, 12, 1.5e9), "s": (512, 12, 5.7e9), "b": (512, 24, 11.4e9)}
"""Width, depth and published multiply-adds by size."""

for size, (width, depth, macs) in SIZES.items():
    register_backbone(
        f"vit-{size}",
        BackboneInfo(
            PAPER,
            "2010.11929",
            macs=Published(macs, SOURCE),
            note="not the ImageNet ViT of that letter: other width, depth and head",
        ),
    )(partial(FaceViT, width=width, depth=depth))
