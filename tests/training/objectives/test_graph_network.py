"""Every operation against ONNX Runtime, whose numbers are what a teacher was released with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper

from vultus.core.errors import ModelError
from vultus.training.objectives import graph_network
from vultus.training.objectives.graph_network import GraphNetwork

Array = npt.NDArray[Any]
node = helper.make_node


def normal(*shape: int, seed: int = 0) -> Array:
    return np.asarray(np.random.default_rng(seed).normal(size=shape), np.float32)


def number(value: float) -> Array:
    return np.array(value, np.float32)


def whole(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


@dataclass(frozen=True)
class Graph:
    """A graph from ``x`` to ``y``; x is (b, 3, 12, 10)."""

    nodes: Sequence[NodeProto]
    constants: Mapping[str, Array] = field(default_factory=dict)
    opset: int = 17
    inputs: Sequence[str] = ("x",)
    batch: int | str = "b"

    def write(self, folder: Path) -> Path:
        image = [self.batch, 3, 12, 10]
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, image) for name in self.inputs],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        path = folder / "net.onnx"
        path.write_bytes(model.SerializeToString())
        return path


def one(kind: str, *constants: Array, opset: int = 17, **attributes: Any) -> Graph:
    """One operation on x and constants."""
    names = [f"c{place}" for place in range(len(constants))]
    made = node(kind, ["x", *names], ["y"], **attributes)
    return Graph([made], dict(zip(names, constants, strict=True)), opset)


def on_rows(kind: str, *constants: Array, **attributes: Any) -> Graph:
    """One operation on the (b, 360) rows of x and constants."""
    graph = one(kind, *constants, **attributes)
    inputs = ["rows", *graph.nodes[0].input[1:]]
    nodes = [node("Flatten", ["x"], ["rows"]), node(kind, inputs, ["y"], **attributes)]
    return Graph(nodes, graph.constants)


def turned(kind: str, constant: Array) -> Graph:
    """A constant first, then what lies in (0, 1)."""
    nodes = [node("Sigmoid", ["x"], ["s"]), node(kind, ["c", "s"], ["y"])]
    return Graph(nodes, {"c": constant})


STATISTICS = [normal(3, seed=1), normal(3, seed=2), normal(3, seed=3), normal(3, seed=4) ** 2 + 0.1]

GRAPHS = {
    "conv": one("Conv", normal(4, 3, 3, 3)),
    "conv, all its settings": one(
        "Conv", normal(4, 3, 3, 2), normal(4, seed=1),
        strides=[2, 1], pads=[2, 1, 2, 1], dilations=[2, 1],
    ),
    "conv, depthwise": one("Conv", normal(6, 1, 3, 3), normal(6), group=3, pads=[1, 1, 1, 1]),
    "conv, auto_pad VALID": one("Conv", normal(4, 3, 3, 3), auto_pad="VALID"),
    "conv and what is folded into it": Graph(
        [
            node("Conv", ["x", "w"], ["maps"], pads=[1, 1, 1, 1]),
            node("BatchNormalization", ["maps", "s", "b", "m", "v"], ["normed"], epsilon=0.3),
            node("Relu", ["normed"], ["y"]),
        ],
        {"w": normal(3, 3, 3, 3), **dict(zip("sbmv", STATISTICS, strict=True))},
    ),
    "batch normalisation": one("BatchNormalization", *STATISTICS, epsilon=0.3),
    "batch normalisation, its own epsilon": one("BatchNormalization", *STATISTICS),
    "prelu": one("PRelu", normal(3, 1, 1)),
    "prelu, one slope": one("PRelu", normal(1)),
    "prelu, one slope a column": one("PRelu", normal(10)),
    "prelu, one slope a column, and as many channels": Graph(
        [node("Conv", ["x", "w"], ["maps"]), node("PRelu", ["maps", "c"], ["y"])],
        {"w": normal(10, 3, 1, 1), "c": normal(10, seed=1)},
    ),
    "prelu, one slope a place": one("PRelu", normal(3, 12, 10)),
    "prelu of rows": on_rows("PRelu", normal(360)),
    "relu": one("Relu"),
    "leaky relu": one("LeakyRelu", alpha=0.3),
    "leaky relu, its own slope": one("LeakyRelu"),
    "sigmoid": one("Sigmoid"),
    "clip by attributes": one("Clip", opset=10, min=-0.5, max=0.7),
    "clip by one attribute": one("Clip", opset=10, min=-0.5),
    "clip": one("Clip", number(-0.5), number(0.7)),
    "clip from below": one("Clip", number(-0.5)),
    "clip from above": Graph([node("Clip", ["x", "", "c"], ["y"])], {"c": number(0.7)}),
    "add": one("Add", normal(3, 1, 1)),
    "subtract": one("Sub", normal(1, 3, 1, 1)),
    "multiply": one("Mul", normal(10)),
    "divide": one("Div", number(3)),
    "subtract from a constant": turned("Sub", normal(3, 1, 1)),
    "divide a constant": turned("Div", number(2)),
    "add to a constant": turned("Add", normal(1, 3, 12, 10)),
    "multiply, one value twice": Graph([node("Mul", ["x", "x"], ["y"])]),
    "add, a value that is used again": Graph(
        [
            node("Relu", ["x"], ["r"]),
            node("Sub", ["x", "r"], ["d"]),
            node("Mul", ["d", "r"], ["m"]),
            node("Add", ["m", "x"], ["y"]),
        ]
    ),
    "constants of nodes": Graph(
        [
            node("Constant", [], ["a"], value=numpy_helper.from_array(normal(3, 1, 1), "a")),
            node("Constant", [], ["two"], value_float=2.0),
            node("Mul", ["a", "two"], ["doubled"]),
            node("Mul", ["x", "doubled"], ["y"]),
        ]
    ),
    "max": one("MaxPool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0]),
    "max, every place": one("MaxPool", kernel_shape=[2, 2]),
    "max, dilated": one("MaxPool", kernel_shape=[2, 3], dilations=[3, 2]),
    "mean": one("AveragePool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 1, 1]),
    "mean, counting pads": one(
        "AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "global mean": one("GlobalAveragePool"),
    "pad": one("Pad", whole(0, 1, 0, 2, 0, 3, 4, 1)),
    "pad with another value": one("Pad", whole(0, 0, 1, 1, 0, 0, 1, 1), number(0.3)),
    "pad by attributes": one("Pad", opset=10, pads=[0, 1, 0, 2, 0, 3, 4, 1], value=-2.0),
    "flatten": one("Flatten"),
    "reshape": one("Reshape", whole(0, -1)),
    "reshape, any batch": one("Reshape", whole(-1, 36, 10)),
    "gemm": on_rows("Gemm", normal(360, 5)),
    "gemm, all its settings": on_rows(
        "Gemm", normal(5, 360), normal(5, seed=1), transB=1, alpha=0.5, beta=3.0
    ),
    "gemm of columns": Graph(
        [
            node("Flatten", ["x"], ["rows"]),
            node("Gemm", ["w", "rows"], ["columns"], transB=1),
            node("Gemm", ["columns", "v"], ["y"], transA=1),
        ],
        {"w": normal(7, 360), "v": normal(7, 5)},
    ),
    "matmul": on_rows("MatMul", normal(360, 5)),
    "matmul of maps": one("MatMul", normal(10, 4)),
    "identity": one("Identity"),
    "dropout": one("Dropout"),
}  # fmt: skip

ELIMINATED = {"Dropout", "Identity"}
"""What ONNX Runtime may leave out of a graph before we see it."""


def taught(path: Path, images: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": images})[0])


def computed(net: GraphNetwork, images: Array) -> Array:
    return np.asarray(net(torch.from_numpy(images)).float().numpy())


@pytest.mark.parametrize("name", GRAPHS)
def test_is_what_onnx_runtime_computes(name: str, tmp_path: Path) -> None:
    path = GRAPHS[name].write(tmp_path)
    net = GraphNetwork(path)
    for rows in (1, 3):
        images = normal(rows, 3, 12, 10, seed=9)
        expected = taught(path, images)
        found = computed(net, images)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_every_known_operation_is_tested(tmp_path: Path) -> None:
    seen = {
        step.op_type
        for graph in GRAPHS.values()
        for step in graph_network._folded(graph.write(tmp_path)).node
    }
    assert seen | ELIMINATED == set(graph_network._MAKERS)


def test_scales_are_folded_into_the_convolution_before(tmp_path: Path) -> None:
    path = GRAPHS["conv and what is folded into it"].write(tmp_path)
    assert [step.op_type for step in graph_network._folded(path).node] == ["Conv", "Relu"]


def test_a_graph_for_one_image_takes_many(tmp_path: Path) -> None:
    nodes = [node("Reshape", ["x", "s"], ["rows"]), node("Gemm", ["rows", "w"], ["y"])]
    graph = Graph(nodes, {"s": whole(1, -1), "w": normal(360, 5)}, batch=1)
    path = graph.write(tmp_path)
    images = normal(3, 3, 12, 10)
    expected = np.concatenate([taught(path, image[None]) for image in images])
    np.testing.assert_allclose(computed(GraphNetwork(path), images), expected, rtol=1e-4, atol=1e-5)


def embedder() -> Graph:
    """A small net of the kind that teaches: everything on its way from images to vectors."""
    return Graph(
        [
            node("Sub", ["x", "shift"], ["centred"]),
            node("Conv", ["centred", "w", "bias"], ["maps"], pads=[1, 1, 1, 1]),
            node("PRelu", ["maps", "slopes"], ["bent"]),
            node("BatchNormalization", ["bent", "s", "b", "m", "v"], ["normed"]),
            node("Add", ["bent", "normed"], ["sum"]),
            node("Clip", ["sum", "low", "high"], ["clipped"]),
            node("Mul", ["twice", "clipped"], ["doubled"]),
            node("GlobalAveragePool", ["doubled"], ["means"]),
            node("Flatten", ["means"], ["rows"]),
            node("Gemm", ["rows", "last", "offset"], ["y"], transB=1, beta=0.5),
        ],
        {
            "shift": normal(3, 1, 1),
            "w": normal(3, 3, 3, 3, seed=1),
            "bias": normal(3, seed=2),
            "slopes": normal(3, 1, 1, seed=3),
            **dict(zip("sbmv", STATISTICS, strict=True)),
            "low": number(-4),
            "high": number(5),
            "twice": np.full((1, 3, 1, 1), 2, np.float32),
            "last": normal(8, 3, seed=4),
            "offset": normal(8, seed=5),
        },
    )


def test_nothing_in_it_is_trained_and_everything_moves_along(tmp_path: Path) -> None:
    path = embedder().write(tmp_path)
    net, images = GraphNetwork(path), normal(3, 3, 12, 10)
    assert list(net.parameters()) == []
    expected = taught(path, images)
    np.testing.assert_allclose(computed(net, images), expected, rtol=1e-4, atol=1e-5)
    found = net.to(torch.float64)(torch.from_numpy(images).double())
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
    net.to("meta")
    assert net(torch.zeros(2, 3, 12, 10, device="meta", dtype=torch.float64)).shape == (2, 8)


def test_layout_in_memory_changes_nothing(tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["maps"]), node("Flatten", ["maps"], ["y"])]
    path = Graph(nodes, {"w": normal(4, 3, 3, 3)}).write(tmp_path)
    images = torch.from_numpy(normal(3, 3, 12, 10))
    found = GraphNetwork(path)(images.contiguous(memory_format=torch.channels_last))
    np.testing.assert_allclose(found.numpy(), taught(path, images.numpy()), rtol=1e-4, atol=1e-5)


def test_half_precision_is_near(tmp_path: Path) -> None:
    net, images = GraphNetwork(embedder().write(tmp_path)), torch.from_numpy(normal(3, 3, 12, 10))
    exact = net(images)
    with torch.autocast("cpu", torch.bfloat16):
        found = net(images)
    assert found.dtype == torch.bfloat16  # else nothing was computed in it
    assert torch.nn.functional.cosine_similarity(found.float(), exact).min() > 0.999
    assert (found - exact).abs().max() < 0.02 * exact.abs().max()


@pytest.mark.parametrize("shape", [(), (4, 1, 1), (1, 4, 1, 1)])
@pytest.mark.parametrize("kind", ["Mul", "Sub"])
@pytest.mark.parametrize("first", [True, False])
def test_constants_follow_the_precision_of_the_maps(
    shape: tuple[int, ...], kind: str, first: bool, tmp_path: Path
) -> None:
    operands = ["c", "bent"] if first else ["bent", "c"]
    nodes = [
        node("Conv", ["x", "w"], ["maps"]),
        node("PRelu", ["maps", "slopes"], ["bent"]),  # else ONNX Runtime folds the next one
        node(kind, operands, ["y"]),
    ]
    constants = {"w": normal(4, 3, 3, 3), "slopes": normal(4, 1, 1), "c": normal(*shape, seed=1)}
    net = GraphNetwork(Graph(nodes, constants).write(tmp_path))
    with torch.autocast("cpu", torch.bfloat16):
        assert net(torch.from_numpy(normal(2, 3, 12, 10))).dtype == torch.bfloat16


def padded(kind: str, **attributes: Any) -> Graph:
    if kind == "Conv":
        return one("Conv", normal(4, 3, 3, 3), **attributes)
    return one(kind, kernel_shape=[3, 3], **attributes)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (one("Softmax"), "has the operation 'Softmax', which .* leave out distillation.live"),
        (Graph([node("Add", ["x", "z"], ["y"])], inputs=("x", "z")), "must have one input, got 2"),
        (padded("Conv", pads=[0, 0, 1, 1]), r"Conv .*pads must be the same.*\[0, 0, 1, 1\]"),
        (padded("MaxPool", pads=[1, 1, 0, 0]), r"MaxPool .*pads must be the same"),
        (padded("Conv", auto_pad="SAME_UPPER"), "Conv .*auto_pad must be written out.*SAME_UPPER"),
        (padded("AveragePool", strides=[2, 2], ceil_mode=1), "AveragePool .*ceil_mode"),
        (padded("AveragePool", dilations=[2, 2], opset=19), "AveragePool .*dilations"),
        (one("Pad", whole(0, 0, 1, 1, 0, 0, 1, 1), mode="edge"), "Pad .*mode must be constant"),
        (one("Flatten", axis=2), "Flatten .*axis must be 1, got 2"),
        (one("Reshape", whole(-1, 0, 12, 10)), "Reshape .*fixed but for the batch"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_computed_is_named(graph: Graph, message: str, tmp_path: Path) -> None:
    path = graph.write(tmp_path)
    with pytest.raises(ModelError, match=message) as caught:
        GraphNetwork(path)
    assert str(path) in str(caught.value)


def test_a_file_must_be_a_network(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("no network", encoding="utf-8")
    for wrong in (path, tmp_path / "nothing.onnx"):
        with pytest.raises(ModelError, match=f"{wrong.name} cannot be read as an ONNX network"):
            GraphNetwork(wrong)


@pytest.mark.models
def test_a_released_embedder(mirror: Path) -> None:
    path = mirror / "mobilefacenet_y1_ms1m_112x112_128d.onnx"
    if not path.is_file():
        pytest.skip(f"needs {path.name}")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = normal(2, 3, 112, 112)
    expected = session.run(None, {session.get_inputs()[0].name: images})[0]
    found = computed(GraphNetwork(path), images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
