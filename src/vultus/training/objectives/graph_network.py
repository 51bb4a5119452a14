"""An ONNX graph computed by torch, so that a teacher runs where its student is trained.

ONNX Runtime for a GPU is another package than the one for the CPU, and each of its batches goes
through the host's memory; torch is there already. Only the operations that face embedders are made
of are known here.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional

from vultus.core.errors import ModelError

_Operation = Callable[..., Tensor]


class GraphNetwork(nn.Module):
    """The first output of a graph with one input, for batches of any size; nothing is trained.

    ONNX Runtime first folds what follows a convolution into it. Numbers are float32, or what
    ``torch.autocast`` makes of convolutions and products; constants beside them follow.

    Args:
        path: An ONNX file with float32 input (b, 3, h, w).

    Raises:
        ModelError: If the file is no such graph, or has an operation that is not known here; the
            message names it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = _folded(path)
        constants = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
        inputs = [item.name for item in graph.input if item.name not in constants]
        if len(inputs) != 1:
            raise ModelError(f"{path} must have one input, got {len(inputs)}")
        self._input, self._output = inputs[0], graph.output[0].name
        self._names: dict[str, str] = {}
        for number, (name, values) in enumerate(constants.items()):
            # No views of the file, and nothing that torch would count as a weight to train.
            self.register_buffer(f"constant_{number}", torch.from_numpy(np.array(values)))
            self._names[name] = f"constant_{number}"
        self._steps = [_step(node, constants, path) for node in graph.node]
        self._last_use = {name: n for n, (_, names, _) in enumerate(self._steps) for name in names}

    def forward(self, images: Tensor) -> Tensor:
        """(b, 3, h, w), as the graph's own input, -> (b, dim)."""
        values = {self._input: images}
        for number, (operation, names, result) in enumerate(self._steps):
            values[result] = operation(*(self._value(name, values) for name in names))
            for name in names:
                if self._last_use[name] == number and name != self._output:
                    values.pop(name, None)  # else all maps of the network would be held
        return values[self._output]

    def _value(self, name: str, values: Mapping[str, Tensor]) -> Tensor | None:
        if not name:
            return None  # an optional input that is left out
        found = values.get(name)
        return getattr(self, self._names[name]) if found is None else found


def _folded(path: Path) -> onnx.GraphProto:
    """The graph with constants computed and scales folded into convolutions."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(written)
        try:
            onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            return onnx.load(written).graph
        except Exception as error:  # its errors share no narrower class
            raise ModelError(f"{path} cannot be read as an ONNX network: {error}") from error


def _step(
    node: onnx.NodeProto, constants: Mapping[str, Any], path: Path
) -> tuple[_Operation, tuple[str, ...], str]:
    """What is computed, of which values, and the name of the result."""
    settings = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    names = tuple(node.input)
    maker = _MAKERS.get(node.op_type)
    if maker is None or node.domain not in ("", "ai.onnx"):
        raise ModelError(
            f"{path} has the operation {node.op_type!r}, which a live teacher cannot compute here "
            f"(known: {', '.join(sorted(_MAKERS))}); leave out distillation.live"
        )
    if node.op_type == "Reshape":  # a shape is not a tensor of the network: it is known beforehand
        if names[1] not in constants:
            raise ModelError(f"{path} computes the shape of {node.output[0]!r}; it must be fixed")
        settings, names = {"shape": constants[names[1]].tolist()}, names[:1]
    if node.op_type == "Pad":  # so are the numbers of zeros, in newer graphs
        settings, names = _pad_settings(settings, names, constants, path), names[:1]
    try:
        operation = maker(settings)
    except ValueError as error:
        raise ModelError(f"{path}: {node.op_type} {node.name or node.output[0]}: {error}") from None
    return operation, names, node.output[0]


def _pad_settings(
    settings: Mapping[str, Any], names: Sequence[str], constants: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    """What older graphs write as attributes and newer ones as constants."""
    found = dict(settings)
    for key, name in zip(("pads", "value"), names[1:], strict=False):
        if name and name not in constants:
            raise ModelError(f"{path} computes the {key} of a Pad; they must be fixed")
        if name:
            found[key] = constants[name].tolist()
    if len(names) > 3:
        raise ModelError(f"{path} pads along axes that it names; all of them must be meant")
    return found


def _padding(settings: Mapping[str, Any]) -> _Operation:
    """Rows, columns and channels of one value around maps."""
    if settings.get("mode", b"constant") != b"constant":
        raise ValueError(f"mode must be constant, got {settings['mode'].decode()}")
    pads = list(settings["pads"])
    half = len(pads) // 2
    ends = zip(pads[:half][::-1], pads[half:][::-1], strict=True)  # torch begins with the last axis
    amounts = [amount for pair in ends for amount in pair]
    return partial(functional.pad, pad=amounts, value=float(settings.get("value", 0.0)))


def _pads(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of zeros around a map."""
    if settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ValueError(f"auto_pad must be written out, got {settings['auto_pad']!r}")
    top, left, bottom, right = settings.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise ValueError(f"pads must be the same on both sides, got {settings['pads']}")
    return top, left


def _convolution(settings: Mapping[str, Any]) -> _Operation:
    return partial(
        _convolve,
        stride=tuple(settings.get("strides", (1, 1))),
        padding=_pads(settings),
        dilation=tuple(settings.get("dilations", (1, 1))),
        groups=settings.get("group", 1),
    )


def _convolve(maps: Tensor, weight: Tensor, bias: Tensor | None = None, **settings: Any) -> Tensor:
    return functional.conv2d(maps, weight, bias, **settings)


def _normalisation(settings: Mapping[str, Any]) -> _Operation:
    eps = settings.get("epsilon", 1e-5)

    def normalise(maps: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return functional.batch_norm(maps, mean, var, scale, shift, eps=eps)

    return normalise


def _slope(maps: Tensor, slopes: Tensor) -> Tensor:
    """ONNX lays the last axes on each other; torch knows one slope for all or for each channel."""
    slopes = slopes.to(maps.dtype)
    shape = (1,) * (maps.ndim - slopes.ndim) + tuple(slopes.shape)
    if slopes.numel() == shape[1]:
        return functional.prelu(maps, slopes.flatten())
    return torch.where(maps < 0, maps * slopes, maps)


def _pooling(kind: Callable[..., Tensor]) -> Callable[[Mapping[str, Any]], _Operation]:
    def make(settings: Mapping[str, Any]) -> _Operation:
        if settings.get("ceil_mode", 0):
            raise ValueError("ceil_mode is not known here")
        dilation = tuple(settings.get("dilations", (1, 1)))
        if kind is functional.max_pool2d:
            more: dict[str, Any] = {"dilation": dilation}
        elif dilation == (1, 1):
            more = {"count_include_pad": bool(settings.get("count_include_pad", 0))}
        else:
            raise ValueError(f"dilations must be 1, got {dilation}")
        return partial(
            kind,
            kernel_size=tuple(settings["kernel_shape"]),
            stride=tuple(settings.get("strides", (1, 1))),
            padding=_pads(settings),
            **more,
        )

    return make


def _product(settings: Mapping[str, Any]) -> _Operation:
    """Gemm: alpha a b + beta c."""
    transposed = settings.get("transA", 0), settings.get("transB", 0)
    alpha, beta = settings.get("alpha", 1.0), settings.get("beta", 1.0)

    def multiply(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        a, b = (x.T if t else x for x, t in zip((a, b), transposed, strict=True))
        product: Tensor = alpha * (a @ b)
        return product if c is None else product + beta * c.to(product.dtype)

    return multiply


def _elementwise(operation: _Operation) -> Callable[[Mapping[str, Any]], _Operation]:
    def compute(first: Tensor, second: Tensor) -> Tensor:
        # A constant follows the maps, whichever comes first: torch would make float32 of both.
        dtype = min(first.dtype, second.dtype, key=lambda each: each.itemsize)
        return operation(first.to(dtype), second.to(dtype))

    return lambda _: compute


def _clip(settings: Mapping[str, Any]) -> _Operation:
    low, high = settings.get("min"), settings.get("max")

    def clip(maps: Tensor, lowest: Tensor | None = None, highest: Tensor | None = None) -> Tensor:
        below = low if lowest is None else lowest.to(maps.dtype)
        above = high if highest is None else highest.to(maps.dtype)
        return maps if below is None and above is None else torch.clamp(maps, below, above)

    return clip


def _flatten(settings: Mapping[str, Any]) -> _Operation:
    if settings.get("axis", 1) != 1:
        raise ValueError(f"axis must be 1, got {settings['axis']}")
    return lambda maps: maps.flatten(1)


def _reshape(settings: Mapping[str, Any]) -> _Operation:
    shape: Sequence[int] = settings["shape"]
    if 0 in shape[1:] or shape.count(-1) > 1:
        raise ValueError(f"shape must be fixed but for the batch, got {shape}")
    return lambda maps: maps.reshape(len(maps), *shape[1:])


def _plain(operation: _Operation) -> Callable[[Mapping[str, Any]], _Operation]:
    return lambda _: operation


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], _Operation]] = {
    "Add": _elementwise(torch.add),
    "AveragePool": _pooling(functional.avg_pool2d),
    "BatchNormalization": _normalisation,
    "Clip": _clip,
    "Conv": _convolution,
    "Div": _elementwise(torch.div),
    "Dropout": _plain(lambda maps, *_: maps),
    "Flatten": _flatten,
    "Gemm": _product,
    "GlobalAveragePool": _plain(lambda maps: maps.mean(dim=(2, 3), keepdim=True)),
    "Identity": _plain(lambda maps: maps),
    "LeakyRelu": lambda s: partial(functional.leaky_relu, negative_slope=s.get("alpha", 0.01)),
    "MatMul": _plain(torch.matmul),
    "MaxPool": _pooling(functional.max_pool2d),
    "Mul": _elementwise(torch.mul),
    "PRelu": _plain(_slope),
    "Pad": _padding,
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Sigmoid": _plain(torch.sigmoid),
    "Sub": _elementwise(torch.sub),
}
