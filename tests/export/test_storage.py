import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vultus.core.choices import Storage
from vultus.export.storage import store_weights
from vultus.runtime.providers import installed_engines
from vultus.runtime.session import open_session


def graph(kernel: npt.NDArray[np.float32], matrix: npt.NDArray[np.float32]) -> onnx.ModelProto:
    """A convolution with a bias, and a matrix: (b, 3, 8, 8) -> (b, d)."""
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["a"], strides=[4, 4]),
        helper.make_node("Flatten", ["a"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(kernel, "kernel"),
        numpy_helper.from_array(np.linspace(-1, 1, len(kernel), dtype=np.float32), "bias"),
        numpy_helper.from_array(matrix, "matrix"),
    ]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", matrix.shape[1]])],
        weights,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def weights() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    generator = np.random.default_rng(0)
    kernel = generator.normal(0, 1, (32, 3, 4, 4)).astype(np.float32)
    matrix = generator.normal(0, 1, (128, 40)).astype(np.float32)
    matrix[:, 3] *= 100  # each column has a scale of its own
    return kernel, matrix


def rounded(
    values: npt.NDArray[np.float32], storage: Storage, axis: int
) -> npt.NDArray[np.float64]:
    """What the file can hold of the weights, number by number."""
    if storage == "f16":
        return values.astype(np.float16).astype(np.float64)
    channels = np.moveaxis(values.astype(np.float64), axis, 0)
    parts = [np.rint(c / np.abs(c).max() * 127) * np.abs(c).max() / 127 for c in channels]
    return np.moveaxis(np.stack(parts), 0, axis)


@pytest.mark.parametrize(("storage", "size"), [("f16", 0.55), ("int8", 0.33)])
def test_weights_are_rounded_and_nothing_else(
    weights: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    storage: Storage,
    size: float,
) -> None:
    kernel, matrix = weights
    model = graph(kernel, matrix)
    before = model.SerializeToString()
    stored = store_weights(model, storage)
    onnx.checker.check_model(stored)
    assert model.SerializeToString() == before
    assert len(stored.SerializeToString()) < size * len(before)
    rows = np.random.default_rng(1).normal(0, 1, (3, 3, 8, 8)).astype(np.float32)
    patches = rows.astype(np.float64).reshape(3, 3, 2, 4, 2, 4)
    a = np.einsum("ncyixj,kcij->nkyx", patches, rounded(kernel, storage, 0))
    a += np.linspace(-1, 1, 32)[:, None, None]
    expected = a.reshape(3, -1) @ rounded(matrix, storage, 1)
    for engine in installed_engines():
        session = open_session(stored.SerializeToString(), runtime=engine)
        (found,) = session.run({"x": rows})
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-3 * np.abs(expected).max())


def test_f32_is_left_alone(
    weights: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> None:
    model = graph(*weights)
    assert store_weights(model, "f32") == model


def test_what_half_precision_cannot_hold_stays(
    weights: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> None:
    kernel, matrix = weights
    stored = store_weights(graph(kernel, matrix * 1e5), "f16")
    kinds = {tensor.name: tensor.data_type for tensor in stored.graph.initializer}
    assert kinds == {
        "kernel.f16": TensorProto.FLOAT16, "bias": TensorProto.FLOAT, "matrix": TensorProto.FLOAT,
    }  # fmt: skip
