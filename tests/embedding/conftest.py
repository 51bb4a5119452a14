import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper, numpy_helper

from vultus.core.crops import AlignedCrops
from vultus.models.cards import Licence, ModelCard

DIM = 8
Array = npt.NDArray[Any]


def _weights() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 1e-3, (4, 3, 16, 16)).astype(np.float32)
    return kernel, rng.normal(0, 1, (4 * 7 * 7, DIM)).astype(np.float32)


def _graph(
    batch: int | str, channels: int = 3, size: int | str = 112, dim: int | str = DIM
) -> bytes:
    kernel, matrix = _weights()
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["crops", "kernel"], ["patches"], strides=[16, 16]),
            helper.make_node("Tanh", ["patches"], ["features"]),
            helper.make_node("Flatten", ["features"], ["flat"]),
            helper.make_node("MatMul", ["flat", "matrix"], ["embedding"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, [batch, channels, size, size])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, DIM])],
        [
            numpy_helper.from_array(kernel[:, :channels], "kernel"),
            numpy_helper.from_array(matrix, "matrix"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def make_graph() -> Callable[..., bytes]:
    """Makes a tiny embedding network (16x16 patches, tanh, a matrix) as ONNX bytes."""
    return _graph


@pytest.fixture(scope="session")
def tiny_network() -> Callable[[Array], Array]:
    """The same network in NumPy float64: (n, 3, 112, 112) -> (n, 8)."""
    kernel, matrix = (weights.astype(np.float64) for weights in _weights())

    def run(planes: Array) -> Array:
        patches = planes.astype(np.float64).reshape(len(planes), 3, 7, 16, 7, 16)
        features = np.tanh(np.einsum("ncyixj,kcij->nkyx", patches, kernel))
        return np.asarray(features.reshape(len(planes), -1) @ matrix)

    return run


@pytest.fixture(scope="session")
def make_card() -> Callable[..., ModelCard]:
    """Makes the card of the tiny network; keywords replace its fields."""

    def make(**changes: object) -> ModelCard:
        fields: dict[str, object] = {
            "name": "tiny",
            "task": "embedding",
            "description": "A tiny network for tests",
            "file_name": "tiny.onnx",
            "sha256": hashlib.sha256(_graph("b")).hexdigest(),
            "licence": Licence("MIT", commercial_use=True, source="made by the test"),
            "template": "arcface-112",
            "colour": "rgb",
            "mean": 127.5,
            "std": 128.0,
            "embedding_dim": DIM,
            "flip": "none",
        }
        return ModelCard(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def crops() -> AlignedCrops:
    """37 crops of noise."""
    pixels = np.random.default_rng(1).integers(0, 256, (37, 112, 112, 3), np.uint8)
    return AlignedCrops(pixels, np.zeros((37, 2, 3), np.float32), "arcface-112")
