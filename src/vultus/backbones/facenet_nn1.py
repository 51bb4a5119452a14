"""NN1 of FaceNet: a Zeiler-Fergus network with 1x1 convolutions (Schroff et al., CVPR 2015)."""

import math

from torch import Tensor, nn

from vultus.backbones.base import (
    Backbone,
    BackboneInfo,
    Published,
    check_input_hw,
    register_backbone,
)
from vultus.backbones.convolution import ConvReLU

FC_WIDTH = 32 * 128


class Maxout(nn.Module):
    """The larger of several linear maps, for each output (Goodfellow et al., ICML 2013).

    Args:
        in_features: Length of a vector in.
        out_features: Length of a vector out.
        pieces: Linear maps to choose from (p).
    """

    def __init__(self, in_features: int, out_features: int, *, pieces: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features * pieces)
        self.pieces = pieces
        # The larger of two standard normal numbers has a mean square of 1.
        nn.init.normal_(self.linear.weight, 0.0, 1 / math.sqrt(in_features))
        nn.init.zeros_(self.linear.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """(b, in_features) -> (b, out_features)."""
        choices = self.linear(vectors).unflatten(1, (-1, self.pieces))
        largest: Tensor = choices.amax(dim=2)
        return largest


@register_backbone(
    "facenet-nn1",
    BackboneInfo(
        "Schroff et al., FaceNet, CVPR 2015 (table 1)",
        "1503.03832",
        parameters=Published(140e6, "Schroff et al., CVPR 2015, table 1"),
        macs=Published(1.6e9, "Schroff et al., CVPR 2015, table 1"),
        note="the paper's FLPS are multiply-adds",
    ),
)
class FaceNetNN1(Backbone):
    """Table 1 of the paper: convolutions with 1x1 ones between them, then two maxout layers.

    Without the L2 normalisation at the end: losses and embedders do that.

    Args:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.
        batch_norm: Normalise after each convolution, which the paper of early 2015 does not.
    """

    def __init__(
        self,
        *,
        dim: int = 128,
        input_hw: tuple[int, int] = (220, 220),
        batch_norm: bool = False,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))

        def conv(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1) -> ConvReLU:
            return ConvReLU(in_channels, out_channels, kernel, stride=stride, batch_norm=batch_norm)

        self.convolutions = nn.Sequential(
            conv(3, 64, 7, stride=2), _pool(), _norm(),
            conv(64, 64, 1), conv(64, 192, 3), _norm(), _pool(),
            conv(192, 192, 1), conv(192, 384, 3), _pool(),
            conv(384, 384, 1), conv(384, 256, 3),
            conv(256, 256, 1), conv(256, 256, 3),
            conv(256, 256, 1), conv(256, 256, 3), _pool(),
        )  # fmt: skip
        height, width = (-(-length // 32) for length in self.input_hw)
        self.fc1 = Maxout(256 * height * width, FC_WIDTH)
        self.fc2 = Maxout(FC_WIDTH, FC_WIDTH)
        self.fc7 = nn.Linear(FC_WIDTH, dim)

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        vector = self.convolutions(images).flatten(1)
        features: Tensor = self.fc7(self.fc2(self.fc1(vector)))
        return features


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, 2, padding=1)


def _norm() -> nn.Module:
    return nn.LocalResponseNorm(5)
