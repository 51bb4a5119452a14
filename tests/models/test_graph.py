from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vultus.core.errors import ModelError
from vultus.models.graph import check_graph, embedder_shapes

MakeOnnx = Callable[..., Path]


@pytest.mark.parametrize("batch", ["b", 1])
def test_shapes_are_read(make_onnx: MakeOnnx, batch: int | str) -> None:
    shapes = embedder_shapes(make_onnx(image=(batch, 3, 8, 8), vector=(batch, 192)))
    assert shapes.size_hw == (8, 8)
    assert shapes.embedding_dim == 192
    first = "?" if batch == "b" else "1"
    assert f"image ({first}, 3, 8, 8) float32" in shapes.layout


def test_open_lengths_are_none(make_onnx: MakeOnnx) -> None:
    shapes = embedder_shapes(make_onnx(image=("b", 3, "h", "w"), vector=("b", "d")))
    assert shapes.size_hw == (None, None)
    assert shapes.embedding_dim is None


@pytest.mark.parametrize(
    "changes",
    [
        {"image": ("b", 8, 8, 3)},
        {"image": ("b", 3, 8)},
        {"image": (2, 3, 8, 8)},
        {"vector": ("b", 4, 48)},
        {"dtype": TensorProto.UINT8},
    ],
)
def test_what_cannot_be_an_embedder_is_refused(
    make_onnx: MakeOnnx, changes: dict[str, object]
) -> None:
    with pytest.raises(ModelError, match=r"shape \(b, 3, h, w\)"):
        embedder_shapes(make_onnx(**changes))


def test_weights_listed_as_inputs_are_no_inputs(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.zeros((12, 4), np.float32), "weights")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ("b", 3, 2, 2))
    listed = helper.make_tensor_value_info("weights", TensorProto.FLOAT, (12, 4))
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ("b", 4))
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["vector"]),
    ]
    graph = helper.make_graph(nodes, "old", [image, listed], [vector], [weights])
    model = helper.make_model(graph)
    onnx.save(model, tmp_path / "old.onnx")
    assert embedder_shapes(tmp_path / "old.onnx").embedding_dim == 4

    outside = tmp_path / "outside.onnx"
    onnx.save(model, outside, save_as_external_data=True, location="w.data", size_threshold=0)
    with pytest.raises(ModelError, match="must hold its weights itself"):
        check_graph(outside)


@pytest.mark.parametrize("body", [b"", b"no model at all", bytes(range(256))])
def test_what_is_no_onnx_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(body)
    with pytest.raises(ModelError, match="must be an ONNX file"):
        check_graph(tmp_path / "m.onnx")
