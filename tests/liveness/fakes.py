"""Networks in the place of those that were shown attacks: they answer by what they see."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from vultus.core.liveness_threshold import LivenessThreshold
from vultus.liveness.passive import PassiveLiveness
from vultus.models.imported import card_for_file
from vultus.runtime.tensors import TensorSpec


class ByBrightness:
    """The brighter a crop, the more alive, and what it was fed is kept."""

    description = "fake"

    def __init__(self) -> None:
        self.inputs = (TensorSpec("crops", ("b", 3, 80, 80), np.dtype(np.float32)),)
        self.outputs = (TensorSpec("probabilities", ("b", 3), np.dtype(np.float32)),)
        self.fed: list[npt.NDArray[Any]] = []

    def run(self, feeds: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        crops = feeds["crops"]
        self.fed.append(crops)
        alive = crops.mean(axis=(1, 2, 3)) / 255
        rest = (1 - alive) / 2
        return [np.stack([rest, alive, rest], axis=1).astype(np.float32)]


def write_network(
    path: Path, *, size: int = 48, threshold: LivenessThreshold | None = None, classes: int = 2
) -> Path:
    """A model file with its card: the brighter a crop, the more alive."""
    crops = helper.make_tensor_value_info("crops", TensorProto.FLOAT, ("b", 3, size, size))
    out = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ("b", classes))
    weight = np.zeros((classes, 1), np.float32)
    weight[1] = 12 / 255
    bias = np.zeros(classes, np.float32)
    bias[1] = -3  # even at a quarter of the brightness
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["crops"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
            helper.make_node("Gemm", ["column", "weight", "bias"], ["scores"], transB=1),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ],
        "fake",
        [crops],
        [out],
        [
            numpy_helper.from_array(np.array([1]), "one"),
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    values = {
        "name": path.stem,
        "task": "antispoof",
        "description": "by brightness",
        "licence": {"name": "own", "commercial_use": True, "source": "own"},
        "template": "context-1",
        "colour": "bgr",
    }
    card = replace(card_for_file(path, values), liveness=threshold)
    path.with_suffix(".toml").write_text(card.to_toml())
    return path


def by_brightness(score: float = 0.5, *, times: float = 1.0) -> PassiveLiveness:
    """A passive look that takes dark faces for attacks."""
    threshold = LivenessThreshold(score=score)
    return PassiveLiveness({"fake": ByBrightness()}, times={"fake": times}, threshold=threshold)
