"""The network: small, for texture, without a last look at the whole face."""

import torch
from torch import Tensor, nn

from vultus.backbones.base import Backbone
from vultus.training.liveness.recipe import NetworkConfig

CLASSES = 2
"""Attack and living face, in this order; the second is what MiniFASNet's second is, too."""

_MIDDLE, _HALF = 127.5, 128.0
_FLAT = 1e-4
"""The root of a map's spread has no slope where the map is flat."""


class LivenessNetwork(Backbone):
    """Crops -> two scores, before softmax: attack, living face.

    Convolutions in three stages of halved size; what is pooled at the end is mean and spread of
    each map, since the traces of prints and screens lie all over a crop and have no place in it.

    Args:
        config: How large.
        size_px: Height and width of the crops.
    """

    def __init__(self, config: NetworkConfig, *, size_px: int) -> None:
        super().__init__(dim=CLASSES, input_hw=(size_px, size_px))
        width = config.width
        layers: list[nn.Module] = [_unit(3, width, stride=2)]
        for stage in range(3):
            wider = width * 2 if stage else width
            layers.append(_Block(width, wider, stride=2 if stage else 1))
            layers += [_Block(wider, wider, stride=1) for _ in range(config.depth - 1)]
            width = wider
        self.maps = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(2 * width, CLASSES)

    def compute(self, images: Tensor) -> Tensor:
        """(b, 2) scores of (b, 3, size, size) crops, BGR, brought to about [-1, 1]."""
        maps = self.maps(images)
        mean = maps.mean(dim=(2, 3))
        spread = ((maps - mean[:, :, None, None]) ** 2).mean(dim=(2, 3))
        spread = (spread + _FLAT).sqrt()
        scores: Tensor = self.classify(self.dropout(torch.cat([mean, spread], dim=1)))
        return scores


class JudgingNetwork(Backbone):
    """The same as a file has it: (b, 3, size, size) BGR in [0, 255] -> (b, 2) probabilities.

    Args:
        network: The network.
    """

    def __init__(self, network: LivenessNetwork) -> None:
        super().__init__(dim=CLASSES, input_hw=network.input_hw)
        self.network = network

    def compute(self, images: Tensor) -> Tensor:
        """(b, 2) probabilities of an attack, and of a living face."""
        return torch.softmax(self.network.compute(scaled(images)), dim=1)


def scaled(pixels: Tensor) -> Tensor:
    """Pixels in [0, 255] as the network takes them."""
    return (pixels - _MIDDLE) / _HALF


class _Block(nn.Module):
    """A convolution in each channel, one across them; what came in is added where it fits."""

    def __init__(self, inside: int, outside: int, *, stride: int) -> None:
        super().__init__()
        self.look = _unit(inside, inside, stride=stride, groups=inside)
        self.mix = _unit(inside, outside, kernel=1)
        self.adds = stride == 1 and inside == outside

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.mix(self.look(maps))
        return found + maps if self.adds else found


def _unit(
    inside: int, outside: int, *, stride: int = 1, kernel: int = 3, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
        nn.PReLU(outside),
    )
