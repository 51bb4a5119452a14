"""The end of making an ONNX graph: ends, checked, as bytes that are the same each time."""

from collections.abc import Sequence
from typing import Any

_IR_VERSION = 8


def graph_bytes(
    nodes: Sequence[Any],
    weights: Sequence[Any],
    *,
    name: str,
    crops: tuple[str, int],
    output: tuple[str, int],
    opset: int,
) -> bytes:
    """Finish a graph from square crops to a vector for each.

    Args:
        nodes: ``onnx.NodeProto`` in their order; the last one's output gets the name of ``output``.
        weights: ``onnx.TensorProto`` of the initialisers.
        name: Of the graph.
        crops: Name of the input, (b, 3, size, size) float32, and that size in pixels.
        output: Name of the output, (b, size) float32, and that size.
        opset: Version of the operators.

    Returns:
        The model, serialised.
    """
    import onnx
    from onnx import TensorProto, helper

    nodes[-1].output[0] = output[0]
    shape = ("b", 3, crops[1], crops[1])
    given = helper.make_tensor_value_info(crops[0], TensorProto.FLOAT, shape)
    made = helper.make_tensor_value_info(output[0], TensorProto.FLOAT, ("b", output[1]))
    graph = helper.make_graph(nodes, name, [given], [made], weights)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    model.producer_name, model.producer_version = "vultus", ""
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
