from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vultus.core.choices import Runtime
from vultus.core.errors import InputError, ModelError
from vultus.models.built_in import built_in_files
from vultus.runtime.pools import POOLS, Tap, usual_taps, with_pools
from vultus.runtime.session import open_session


def network() -> bytes:
    """Two convolutions with a sum of branches in the middle; maps of 8 and of 5 rows."""
    rng = np.random.default_rng(0)
    weights = {
        "a": rng.normal(size=(4, 3, 3, 3)),
        "b": rng.normal(size=(4, 4, 1, 1)),
        "c": rng.normal(size=(6, 4, 4, 4)),
        "d": rng.normal(size=(6 * 25, 7)),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "a"], ["low"], pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["low", "b"], ["side"]),
            helper.make_node("Add", ["low", "side"], ["sum"]),
            helper.make_node("Relu", ["sum"], ["after"]),
            helper.make_node("Conv", ["after", "c"], ["high"]),
            helper.make_node("Flatten", ["high"], ["flat"]),
            helper.make_node("MatMul", ["flat", "d"], ["y"]),
        ],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 7])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def inner(planes: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    model = onnx.load_from_string(network())
    shapes = onnx.shape_inference.infer_shapes(model).graph.value_info
    model.graph.output.append(next(value for value in shapes if value.name == name))
    return open_session(model.SerializeToString(), runtime="onnxruntime").run({"x": planes})[1]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_pools_are_the_means_and_deviations_of_bands_of_rows(runtime: Runtime) -> None:
    planes = np.random.default_rng(1).normal(size=(3, 3, 8, 8)).astype(np.float32)
    taps = [Tap("sum", 3), Tap("high")]
    pools = open_session(with_pools(network(), taps), runtime=runtime).run({"x": planes})[1]

    low, high = inner(planes, "sum"), inner(planes, "high")
    parts = [low[:, :, :3], low[:, :, 3:5], low[:, :, 5:], high]
    wanted = [f(part, axis=(2, 3)) for part in parts for f in (np.mean, np.std)]
    np.testing.assert_allclose(pools, np.concatenate(wanted, axis=1), rtol=2e-5, atol=2e-5)


def test_the_built_in_models_vectors_stay_bit_equal() -> None:
    path = built_in_files() / "vultus-s2.onnx"
    planes = np.random.default_rng(2).normal(size=(2, 3, 112, 112)).astype(np.float32)
    before = open_session(path).run({"crops": planes})
    after = open_session(with_pools(path, usual_taps(path))).run({"crops": planes})
    np.testing.assert_array_equal(after[0], before[0])
    assert after[1].shape == (2, 2 * (2 * 48 + 3 * 96 + 3 * 384))


def test_the_last_sum_of_each_height_is_chosen_and_of_the_lowest_the_last_map() -> None:
    assert usual_taps(network()) == (Tap("sum", 3), Tap("high", 3))


def test_a_map_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="inner map 'nowhere'"):
        with_pools(network(), [Tap("nowhere")])
    with pytest.raises(InputError, match="at least one"):
        with_pools(network(), [])
    with pytest.raises(InputError, match="1 to 16 bands"):
        Tap("sum", 0)


def test_a_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(network())
    with_pools(path, [Tap("sum")])
    assert path.read_bytes() == network()
    assert POOLS not in path.read_bytes().decode("latin-1")
