"""Layers whose gradients take less time on a CPU than torch's own; the same numbers up to rounding.

Measured with `benchmarks/training_throughput.py`: torch computes the gradient of a PReLU element
by element, and oneDNN that of 3 x 3 weights at a third to two thirds of the speed that a matrix
product reaches with AVX2.
"""

from collections.abc import Iterator
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_input

_CACHED = 1 << 18
"""Numbers that a single thread works on at a time: they stay in its cache."""


def use_cpu_layers(network: nn.Module) -> None:
    """Put the layers of this module in place of torch's, where they are faster.

    Parameters stay the same objects under the same names; hooks on the layers are lost. Subclasses
    are left alone.

    Args:
        network: Trains on a CPU, without ``torch.compile``, which fuses such things itself.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.PReLU:
                setattr(parent, name, CpuPReLU(child))
            elif _fits(child):
                setattr(parent, name, CpuConv2d(child))


class CpuPReLU(nn.PReLU):
    """A PReLU with a gradient in whole-array operations.

    Args:
        layer: Whose parameter it takes over.
    """

    def __init__(self, layer: nn.PReLU) -> None:
        super().__init__(num_parameters=layer.num_parameters, device="meta")
        self.weight = layer.weight
        self.train(layer.training)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, c, ...) of the same shape."""
        if maps.dtype != torch.float32 or not torch.is_grad_enabled() or maps.ndim < 2:
            return super().forward(maps)
        result: Tensor = _PReLU.apply(maps, self.weight)  # type: ignore[no-untyped-call]
        return result


class CpuConv2d(nn.Conv2d):
    """A convolution of 3 x 3 with padding 1 whose weight gradient is nine matrix products.

    Only for maps that are channels last in memory, and one thread, of which each process of a
    ``torchrun`` has one by default: torch divides its own way better among several.

    Args:
        layer: Whose parameter it takes over.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__(
            layer.in_channels, layer.out_channels, 3, padding=1, bias=False, device="meta"
        )
        self.weight = layer.weight
        self.train(layer.training)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, h, w)."""
        here = (
            maps.is_contiguous(memory_format=torch.channels_last)
            and maps.dtype == torch.float32
            and self.weight.requires_grad
            and torch.get_num_threads() == 1
        )
        if not here or torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled():
            return super().forward(maps)
        result: Tensor = _Conv3x3.apply(maps, self.weight)  # type: ignore[no-untyped-call]
        return result


def _fits(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    return (
        type(layer) is nn.Conv2d
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
        and (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        == ((3, 3), (1, 1), (1, 1), (1, 1))
        and (layer.groups, layer.bias, layer.padding_mode) == (1, None, "zeros")
        and min(layer.in_channels, layer.out_channels) >= 16
    )


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(maps, slopes)
        return functional.prelu(maps, slopes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        maps, slopes = ctx.saved_tensors
        shaped = slopes.view(1, -1, *[1] * (maps.ndim - 2))
        along = [axis for axis in range(maps.ndim) if axis != 1 or len(slopes) == 1]
        by_maps, by_slopes = torch.empty_like(maps), torch.zeros_like(slopes)
        for some in _pieces(maps):
            x, gradient = maps[some], grads[0][some]
            above = torch.ops.aten.threshold_backward(gradient, x, 0)
            below = gradient - above
            torch.addcmul(above, below, shaped, out=by_maps[some])
            by_slopes += below.mul_(x).sum(along)
        return by_maps, by_slopes


class _Conv3x3(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return functional.conv2d(maps, weight, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor]:
        maps, weight = ctx.saved_tensors
        by_maps = None
        if ctx.needs_input_grad[0]:
            by_maps = conv2d_input(maps.shape, weight, grads[0], padding=1)  # type: ignore[no-untyped-call]
        return by_maps, _weight_gradient(maps, grads[0])


def _weight_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """(o, c, 3, 3) from (b, c, h, w) and (b, o, h, w), some images at a time.

    Maps with a border of zeros around, and gradients with one to the right and below, are the
    same length when laid out in a row, so that each of the nine places of the window is a shift.
    """
    (images, channels, height, width), outputs = maps.shape, gradient.shape[1]
    rows, columns = height + 2, width + 2
    total = maps.new_zeros(9, channels, outputs)
    pieces = list(_pieces(maps))
    longest = pieces[0].stop * rows * columns
    line = maps.new_zeros(longest + 2 * columns + 2, channels)
    other = maps.new_zeros(longest, outputs)
    framed = line[:longest].view(-1, rows, columns, channels)
    cornered = other.view(-1, rows, columns, outputs)
    for some in pieces:
        count = min(some.stop, images) - some.start
        framed[:count, 1:-1, 1:-1] = maps[some].permute(0, 2, 3, 1)
        cornered[:count, :height, :width] = gradient[some].permute(0, 2, 3, 1)
        length = count * rows * columns
        for place in range(9):
            shift = place // 3 * columns + place % 3
            total[place].addmm_(line[shift : shift + length].t(), other[:length])
    return total.view(3, 3, channels, outputs).permute(3, 2, 0, 1)


def _pieces(maps: Tensor) -> Iterator[slice]:
    """Consecutive images that fit into the cache together; all where threads share the work."""
    each = max(1, len(maps))
    if torch.get_num_threads() == 1:
        each = max(1, _CACHED * len(maps) // max(1, maps.numel()))
    return (slice(start, start + each) for start in range(0, len(maps), each))
