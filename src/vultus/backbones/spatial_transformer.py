"""Spatial transformer: a network that learns to align what another network then sees.

Jaderberg et al., Spatial Transformer Networks, NeurIPS 2015, arXiv 1506.02025.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from vultus.backbones.base import BACKBONES, Backbone, BackboneInfo, register_backbone
from vultus.backbones.convolution import ConvReLU
from vultus.core.checks import check_range
from vultus.core.errors import InputError

TransformKind = Literal["similarity", "affine"]

_LOCALISATION_SIDE = 64  # pixels; the place of a face needs no finer image


class _Localisation(nn.Module):
    """Small convolutional network from an image to the numbers of its transform.

    The last layer starts so near 0 that every image starts within a hundredth of a pixel of the
    identity (not at 0, where the layers before it would get no gradient in the first step).

    Args:
        numbers: How many numbers a transform has.
        limit: The numbers stay within +-limit, by a tanh of slope 1 at 0.
    """

    def __init__(self, numbers: int, *, limit: float) -> None:
        super().__init__()
        self.limit = limit
        self.layers = nn.Sequential(
            ConvReLU(3, 16, 5, stride=2, batch_norm=True),
            ConvReLU(16, 32, 3, stride=2, batch_norm=True),
            ConvReLU(32, 64, 3, stride=2, batch_norm=True),
            ConvReLU(64, 32, 1, batch_norm=True),
        )
        side = _LOCALISATION_SIDE // 8
        self.hidden = nn.Linear(32 * side * side, 64)
        self.last = nn.Linear(64, numbers)
        nn.init.normal_(self.last.weight, 0.0, 1e-5)
        nn.init.zeros_(self.last.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, numbers), each within +-limit."""
        sides = (_LOCALISATION_SIDE, _LOCALISATION_SIDE)
        small = functional.interpolate(images, sides, mode="bilinear", align_corners=False)
        raw = self.last(functional.relu(self.hidden(self.layers(small).flatten(1))))
        bounded: Tensor = self.limit * torch.tanh(raw / self.limit)
        return bounded


def transforms(numbers: Tensor, *, kind: TransformKind, aspect: float = 1.0) -> Tensor:
    """Matrices from their numbers; numbers of 0 give the identity.

    They map a place in what is sampled to a place in the image, both in [-1, 1] from edge to edge.

    Args:
        numbers: (b, 4) for a similarity: a, b, x, y of [[1 + a, -b, x], [b, 1 + a, y]];
            (b, 6) for an affine map: what is added to each entry of the identity, row by row.
        kind: Which of the two.
        aspect: Height over width of the image, so that a similarity keeps angles in pixels.

    Returns:
        (b, 2, 3) of the numbers' dtype.
    """
    identity = numbers.new_tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    if kind == "affine":
        return identity + numbers.reshape(-1, 2, 3)
    a, b, x, y = numbers.unbind(dim=1)
    rows = [torch.stack([a, -b * aspect, x], dim=1), torch.stack([b / aspect, a, y], dim=1)]
    return identity + torch.stack(rows, dim=1)


def sample(images: Tensor, matrices: Tensor, *, size_hw: tuple[int, int]) -> Tensor:
    """Warp images by bilinear sampling; outside the image its edge goes on.

    Args:
        images: (b, c, h, w) floating.
        matrices: (b, 2, 3) as `transforms` gives them.
        size_hw: Height and width of the result, in pixels.

    Returns:
        (b, c, h, w), height and width as in ``size_hw``.
    """
    height, width = size_hw
    # Pixel centres, as align_corners=False has them.
    x = (torch.arange(width).to(matrices) + 0.5) * 2 / width - 1
    y = ((torch.arange(height).to(matrices) + 0.5) * 2 / height - 1)[:, None]
    # Written out: autocast would round a matrix product to 8 bits, several pixels of a large image.
    entries = matrices[..., None, None]
    places = entries[:, :, 0] * x + entries[:, :, 1] * y + entries[:, :, 2]
    grid = places.movedim(1, -1)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


@register_backbone(
    "spatial-transformer",
    BackboneInfo(
        "Jaderberg et al., Spatial Transformer Networks, NeurIPS 2015",
        "1506.02025",
        note="counted with its default inner backbone",
    ),
)
class SpatialTransformer(Backbone):
    """A backbone behind a learnt alignment: localise, warp, embed.

    For crops that no landmarks have aligned. The image may be larger than what the inner backbone
    sees, so that zooming in gains detail. Learn the localisation slower than the rest.

    Args:
        inner: Name of the backbone behind it.
        kind: ``"similarity"`` (scale, rotation, shift) or ``"affine"``.
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels.
        inner_hw: Height and width that the inner backbone sees; None = as ``input_hw``.
        limit: How far from the identity a number of the transform may go; a shift of 1 is half
            the image.

    Attributes:
        localisation: From images to the numbers of the transform.
        inner: The backbone behind it.
    """

    def __init__(
        self,
        *,
        inner: str = "iresnet18",
        kind: TransformKind = "similarity",
        dim: int = 512,
        input_hw: tuple[int, int] = (112, 112),
        inner_hw: tuple[int, int] | None = None,
        limit: float = 0.5,
    ) -> None:
        super().__init__(dim=dim, input_hw=input_hw)
        if kind not in get_args(TransformKind):
            raise InputError(f'kind must be "similarity" or "affine", got {kind!r}')
        limit = check_range("limit", limit, low=0, high=1, low_open=True)
        self.kind: TransformKind = kind
        self.localisation = _Localisation(4 if kind == "similarity" else 6, limit=limit)
        seen_hw = self.input_hw if inner_hw is None else inner_hw
        self.inner = BACKBONES.create(inner, dim=dim, input_hw=seen_hw)

    def align(self, images: Tensor) -> Tensor:
        """What the inner backbone sees: (b, 3, h, w) to (b, 3, h, w) of its size.

        Places and warp are float32 (or float64), also under autocast.
        """
        precise = torch.promote_types(images.dtype, torch.float32)
        numbers = self.localisation(images).to(precise)
        aspect = self.input_hw[0] / self.input_hw[1]
        matrices = transforms(numbers, kind=self.kind, aspect=aspect)
        warped = sample(images.to(precise), matrices, size_hw=self.inner.input_hw)
        return warped.to(images.dtype)

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        features: Tensor = self.inner(self.align(images))
        return features
