"""VGG-16 as used for faces (Parkhi et al., Deep Face Recognition, BMVC 2015)."""

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from vultus.backbones.base import (
    Backbone,
    BackboneInfo,
    Published,
    check_input_hw,
    register_backbone,
)
from vultus.backbones.convolution import ConvReLU
from vultus.core.checks import check_range

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each stage; a 2x2 maximum follows each."""

FC_WIDTH = 4096


class VGG16(Backbone):
    """Configuration D of Simonyan and Zisserman, and the learnt projection of VGG-Face.

    The paper trains softmax on ``fc7`` and then, by triplets, only the projection W' of the
    L2-normalised fc7. Here the projection is there from the start and has no bias, so whether fc7
    is normalised before it changes a feature's length, never its direction. For the second
    stage freeze all but ``projection``.

    Args:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels; at least 32.
        batch_norm: Normalise after each convolution.
        dropout: Probability after fc6 and fc7.
    """

    def __init__(
        self,
        *,
        dim: int = 1024,
        input_hw: tuple[int, int] = (224, 224),
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(dim=dim, input_hw=check_input_hw(input_hw, minimum=32))
        layers: list[nn.Module] = []
        channels = 3
        for width, convolutions in STAGES:
            for _ in range(convolutions):
                layers.append(ConvReLU(channels, width, 3, batch_norm=batch_norm))
                channels = width
            layers.append(nn.MaxPool2d(2, 2))
        self.convolutions = nn.Sequential(*layers)
        height, width = (length // 32 for length in self.input_hw)
        self.fc6 = nn.Linear(channels * height * width, FC_WIDTH)
        self.fc7 = nn.Linear(FC_WIDTH, FC_WIDTH)
        self.dropout = nn.Dropout(check_range("dropout", dropout, low=0, high=1, high_open=True))
        self.projection = nn.Linear(FC_WIDTH, dim, bias=False)
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def compute(self, images: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, dim)."""
        vector = self.convolutions(images).flatten(1)
        vector = self.dropout(functional.relu(self.fc6(vector)))
        vector = self.dropout(functional.relu(self.fc7(vector)))
        features: Tensor = self.projection(vector)
        return features


PAPER = "Parkhi et al., Deep Face Recognition, BMVC 2015 (network D)"

register_backbone(
    "vgg16",
    BackboneInfo(
        PAPER,
        None,
        parameters=Published(138.4e6, "Simonyan and Zisserman, ICLR 2015, with 1,000 classes"),
        macs=Published(15.3e9, "He et al., ResNet, CVPR 2016"),
        note="the projection to 1,024 numbers stands in place of 1,000 classes; with the 2,622 "
        "people of the paper it would be 145.0 M",
    ),
)(VGG16)
register_backbone("vgg16-bn", BackboneInfo(PAPER, None))(partial(VGG16, batch_norm=True))
