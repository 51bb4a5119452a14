"""The graphs against the published layers, written down once more in torch."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor
from torch.nn import functional as F

from vultus.detection.mtcnn.cascade import INPUT_NAME, Stage
from vultus.detection.mtcnn.graphs import build_graph
from vultus.detection.mtcnn.weights import load_weights
from vultus.runtime.session import open_session

POOLS = {"pnet": (2,), "rnet": (3, 3), "onet": (3, 3, 2)}


def reference(stage: Stage, pixels: npt.NDArray[np.float32]) -> list[Tensor]:
    """Heads as published: box offsets, (landmarks,) two class probabilities."""
    weights = [torch.from_numpy(np.array(array)) for array in load_weights(stage)]
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2) - 127.5) * 0.0078125
    pools = list(POOLS[stage])
    while weights[0].ndim == 4 and weights[0].shape[0] > 1:
        kernel, bias, slope, *weights = weights
        x = F.prelu(F.conv2d(x, kernel.permute(3, 2, 0, 1), bias), slope.flatten())
        if pools:
            x = F.max_pool2d(x, pools.pop(0), 2, ceil_mode=True)
    if stage == "pnet":
        heads = [
            F.conv2d(x, weights[i].permute(3, 2, 0, 1), weights[i + 1])
            for i in range(0, len(weights), 2)
        ]
    else:
        matrix, bias, slope, *weights = weights
        x = F.prelu(x.permute(0, 3, 2, 1).flatten(1) @ matrix + bias, slope)
        heads = [x @ weights[i] + weights[i + 1] for i in range(0, len(weights), 2)]
    return [*heads[:-1], heads[-1].softmax(1)]


@pytest.mark.parametrize(
    ("stage", "side"), [("pnet", 12), ("pnet", 31), ("rnet", 24), ("onet", 48)]
)
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_equals_the_published_layers(stage: Stage, side: int, runtime: str) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (3, side, side, 3)).astype(np.float32)
    session = open_session(build_graph(stage), runtime=runtime, threads=1)  # type: ignore[arg-type]
    (output,) = session.run({INPUT_NAME: pixels})
    *offsets, probabilities = (head.numpy() for head in reference(stage, pixels))
    assert_allclose(1 / (1 + np.exp(-output[:, 0])), probabilities[:, 1], atol=2e-5)
    assert_allclose(output[:, 1:], np.concatenate(offsets, axis=1), atol=2e-5)
