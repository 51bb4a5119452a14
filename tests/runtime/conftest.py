import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: list[onnx.TensorProto],
) -> bytes:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


@pytest.fixture(scope="session")
def two_by_two() -> bytes:
    """Inputs a (N, 2) float32 and b (N, 2) int64; outputs total = a + b and twice = 2 a."""
    return _model(
        [
            helper.make_node("Cast", ["b"], ["b_float"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["a", "b_float"], ["total"]),
            helper.make_node("Add", ["a", "a"], ["twice"]),
        ],
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("b", TensorProto.INT64, ["N", 2]),
        ],
        [
            helper.make_tensor_value_info("total", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, ["N", 2]),
        ],
        [],
    )


@pytest.fixture(scope="session")
def matrix() -> bytes:
    """Input x (N, 64) float32; output y = x @ W with W (64, 64)."""
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    return _model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 64])],
        [numpy_helper.from_array(weights, "w")],
    )


@pytest.fixture(scope="session")
def addition() -> bytes:
    """Inputs a (N, K) and b (N, M) float32; output a + b, so K and M must agree."""
    return _model(
        [helper.make_node("Add", ["a", "b"], ["y"])],
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, ["N", "K"]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", "M"]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "K"])],
        [],
    )


@pytest.fixture(scope="session")
def renamed() -> bytes:
    """Input x (N, 2) float32; output y = |x|, which inside the graph is called a as well."""
    return _model(
        [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Identity", ["a"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [],
    )
