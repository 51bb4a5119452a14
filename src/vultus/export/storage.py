"""Smaller files: weights stored in 16 or 8 bits, computed with in float32."""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from vultus.core.choices import Storage

_SMALL = 1024
"""Tensors with fewer numbers stay as they are: nothing is gained there."""

_HALF_MAX = float(np.finfo(np.float16).max)


def store_weights(model: onnx.ModelProto, storage: Storage) -> onnx.ModelProto:
    """A copy whose large weights are stored in fewer bits.

    ``"f16"``: rounded to half precision, half the size. ``"int8"``: each output channel of a
    convolution or matrix is rounded to 127ths of its largest weight, a quarter of the size.
    Engines turn both into float32 before they compute.

    Args:
        model: Its weights are float32 initialisers.
        storage: ``"f32"`` changes nothing.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    if storage == "f32":
        return result
    axes = _channel_axes(result.graph)
    restoring = []
    for tensor in list(result.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _SMALL:
            continue
        if storage == "f16" and np.abs(values).max() <= _HALF_MAX:
            restoring.append(_halve(tensor, values))
        elif storage == "int8" and tensor.name in axes:
            nodes, scales = _to_bytes(tensor, values, axis=axes[tensor.name])
            restoring += nodes
            result.graph.initializer.append(scales)
    every = [*restoring, *result.graph.node]
    del result.graph.node[:]
    result.graph.node.extend(every)
    return result


def _channel_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """The axis of output channels, for each weight that one convolution or matrix alone reads."""
    readers = [name for node in graph.node for name in node.input]
    axes = {}
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        rows_first = node.op_type == "Conv" or any(
            attribute.name == "transB" and attribute.i for attribute in node.attribute
        )
        if readers.count(node.input[1]) == 1:
            axes[node.input[1]] = 0 if rows_first else 1
    return axes


def _halve(tensor: TensorProto, values: npt.NDArray[np.float32]) -> onnx.NodeProto:
    name = tensor.name
    stored = f"{name}.f16"
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    return helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT)


def _to_bytes(
    tensor: TensorProto, values: npt.NDArray[np.float32], *, axis: int
) -> tuple[list[onnx.NodeProto], TensorProto]:
    name = tensor.name
    others = tuple(other for other in range(values.ndim) if other != axis)
    widest = np.abs(values).max(axis=others, keepdims=True)
    scales = np.maximum(widest / 127, np.finfo(np.float32).tiny).astype(np.float32)
    steps = np.rint(values / scales).astype(np.int8)
    tensor.CopyFrom(numpy_helper.from_array(steps, f"{name}.int8"))
    stored = numpy_helper.from_array(scales, f"{name}.scale")
    # Not DequantizeLinear: ONNX Runtime 1.31 takes it, before a matrix, for leave to round the
    # other side to 8 bits too.
    nodes = [
        helper.make_node("Cast", [f"{name}.int8"], [f"{name}.steps"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.steps", stored.name], [name]),
    ]
    return nodes, stored
