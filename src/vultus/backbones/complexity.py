"""How large a network is: parameters and multiply-adds, counted without computing anything."""

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vultus.backbones.base import BACKBONES, Backbone, check_input_hw


class Complexity(NamedTuple):
    """Size of a network.

    Attributes:
        parameters: Numbers that are (or could be) trained.
        buffers: Numbers saved beside them: running means and variances; not counters.
        macs: Multiply-adds of convolutions, matrix products and attention for one image.
            Normalisation, activations, pooling and additions are not counted, as in the papers.
        input_hw: Height and width of that image, in pixels.
    """

    parameters: int
    buffers: int
    macs: int
    input_hw: tuple[int, int]


def complexity(module: nn.Module, *, input_hw: tuple[int, int]) -> Complexity:
    """Count a network's parameters and its multiply-adds at an input size.

    Runs a copy on the meta device: nothing is computed, and the module stays as it is.

    Args:
        module: Takes (b, 3, h, w).
        input_hw: Height and width in pixels.

    Raises:
        InputError: If the network does not take images of that size.
    """
    height, width = check_input_hw(input_hw)
    shadow = copy.deepcopy(module).to("meta").eval()
    parameters = sum(p.numel() for p in shadow.parameters())
    buffers = sum(b.numel() for b in shadow.buffers() if b.is_floating_point())
    _drop_normalisation(shadow)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty(1, 3, height, width, device="meta"))
    return Complexity(
        parameters=parameters,
        buffers=buffers,
        macs=counter.get_total_flops() // 2,
        input_hw=(height, width),
    )


def complexity_of(name: str, **settings: object) -> Complexity:
    """`complexity` of a registered backbone at its own input size, without allocating it.

    Args:
        name: A name in `BACKBONES`.
        settings: Its keyword arguments.

    Example:
        >>> import vultus.backbones
        >>> complexity_of("iresnet18").parameters
        24025600
    """
    with torch.device("meta"):
        backbone: Backbone = BACKBONES.create(name, **settings)
    return complexity(backbone, input_hw=backbone.input_hw)


def _drop_normalisation(module: nn.Module) -> None:
    """Put an identity in place of every batch normalisation: three quarters of the time on meta.

    Subclasses stay: their networks ask more of them than to be called.
    """
    for name, child in module.named_children():
        if type(child) in (nn.BatchNorm1d, nn.BatchNorm2d):
            setattr(module, name, nn.Identity())
        else:
            _drop_normalisation(child)
