"""A torch network as an ONNX graph."""

import io
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from vultus.backbones.base import Backbone
from vultus.core.errors import ModelError

OPSET = 17
"""Every backbone fits into it, and every engine of the last years reads it."""

_MATRICES = ("MatMul", "Gemm")


def onnx_graph(backbone: Backbone, *, output: str = "embedding") -> onnx.ModelProto:
    """The network for inference: float32 (b, 3, h, w) in, float32 (b, dim) out, b free.

    Normalisations behind a convolution or a matrix are folded into it; one before a padded
    convolution cannot be. The same weights give the same bytes.

    Args:
        backbone: On the CPU; its mode is put back afterwards.
        output: Name of what comes out.

    Raises:
        ModelError: If an operation of it has no counterpart in ONNX.
    """
    height, width = backbone.input_hw
    # Not one row: a batch of one would let the exporter take the batch axis for a constant.
    example = torch.zeros(2, 3, height, width)
    stream = io.BytesIO()
    was_training = backbone.training
    backbone.eval()
    try:
        with warnings.catch_warnings():
            # The newer exporter needs onnxscript; this one says at every call that it is older,
            # and wonders whether it saw everything. The parity check decides that.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                backbone,
                (example,),
                stream,  # type: ignore[arg-type]
                dynamo=False,
                opset_version=OPSET,
                input_names=["crops"],
                output_names=[output],
                dynamic_axes={"crops": {0: "b"}, output: {0: "b"}},
            )
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        raise ModelError(f"{type(backbone).__name__} cannot be written as ONNX: {error}") from error
    finally:
        backbone.train(was_training)
    model = onnx.load_from_string(stream.getvalue())
    _drop_identities(model.graph)
    _hoist_constants(model.graph)
    _fold_norms(model.graph)
    _drop_unused(model.graph)
    model.producer_name, model.producer_version = "vultus", ""
    onnx.checker.check_model(model)
    return model


def _drop_identities(graph: onnx.GraphProto) -> None:
    """Let nodes read what an Identity passes on; the exporter makes one for each equal weight."""
    outputs = {value.name for value in graph.output}
    instead: dict[str, str] = {}
    kept = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = instead.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in outputs:
            instead[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    _replace(graph.node, kept)


def _hoist_constants(graph: onnx.GraphProto) -> None:
    """Make initialisers of constants, so that there is one place to look for numbers."""
    kept = []
    for node in graph.node:
        values = [attribute.t for attribute in node.attribute if attribute.name == "value"]
        if node.op_type == "Constant" and values:
            values[0].name = node.output[0]
            graph.initializer.append(values[0])
        else:
            kept.append(node)
    _replace(graph.node, kept)


def _fold_norms(graph: onnx.GraphProto) -> None:
    """Multiply a BatchNormalization behind a matrix into it: y = x W s + (b - mean) s + shift."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    made_by = {name: node for node in graph.node for name in node.output}
    kept = []
    for node in graph.node:
        matrix = made_by.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        foldable = (
            matrix is not None
            and matrix.op_type in _MATRICES
            and readers[node.input[0]] == 1
            and all(name in weights and readers[name] == 1 for name in matrix.input[1:])
            and all(name in weights for name in node.input[1:])
        )
        if not foldable or matrix is None:
            kept.append(node)
            continue
        _fold(graph, matrix, node, weights)
    _replace(graph.node, kept)


def _fold(
    graph: onnx.GraphProto,
    matrix: onnx.NodeProto,
    norm: onnx.NodeProto,
    weights: dict[str, onnx.TensorProto],
) -> None:
    gain, shift, mean, variance = (
        numpy_helper.to_array(weights[name]).astype(np.float64) for name in norm.input[1:]
    )
    epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
    factor = gain / np.sqrt(variance + epsilon)
    transposed = any(a.name == "transB" and a.i for a in matrix.attribute)
    weight = numpy_helper.to_array(weights[matrix.input[1]]).astype(np.float64)
    bias = np.zeros_like(mean)
    if len(matrix.input) > 2:
        bias = numpy_helper.to_array(weights[matrix.input[2]]).astype(np.float64)
    folded = weight * (factor[:, None] if transposed else factor)
    name = f"{matrix.input[1]}.bias"
    added = numpy_helper.from_array(((bias - mean) * factor + shift).astype(np.float32), name)
    weights[matrix.input[1]].CopyFrom(
        numpy_helper.from_array(folded.astype(np.float32), matrix.input[1])
    )
    graph.initializer.append(added)
    if matrix.op_type == "MatMul":
        matrix.op_type = "Gemm"
    del matrix.input[2:]
    matrix.input.append(name)
    matrix.output[0] = norm.output[0]


def _drop_unused(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in read])


def _replace(field: Any, kept: Iterable[Any]) -> None:
    """Make a repeated field of protobuf hold other messages, some of which may be its own."""
    copies = []
    for message in kept:
        copy = type(message)()
        copy.CopyFrom(message)
        copies.append(copy)
    del field[:]
    field.extend(copies)
