"""The three networks of MTCNN as ONNX graphs.

The networks are those of Zhang et al., "Joint Face Detection and Alignment using Multi-task
Cascaded Convolutional Networks" (2016), changed in form only:

- the normalisation ``(pixels - 127.5) / 128`` is folded into the first convolution, so that the
  graphs take RGB in [0, 255];
- the two-way softmax needs only the difference of its logits, so that each graph ends in one
  tensor: ``[face logit, box offsets x1 y1 x2 y2, landmark offsets x1..x5 y1..y5]``;
- the published dense weights expect features in (width, height, channel) order; their rows are
  sorted to the graph's own (channel, height, width).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from vultus.detection.mtcnn.cascade import INPUT_NAME, Stage
from vultus.detection.mtcnn.weights import load_weights

PIXEL_MEAN = 127.5
PIXEL_STD = 128.0
OPSET = 13
_IR_VERSION = 8

_Weights = Sequence[npt.NDArray[np.float32]]


def build_graph(stage: Stage) -> bytes:
    """One network as the bytes of an ONNX file.

    Args:
        stage: ``"pnet"`` maps pixels (b, h, w, 3) float32 to (b, 5, h', w') float32, one cell per
            window of 12 x 12 pixels at stride 2. ``"rnet"`` maps (b, 24, 24, 3) to (b, 5) and
            ``"onet"`` (b, 48, 48, 3) to (b, 15).

    Raises:
        ModelNotFoundError: If the weights are not installed.
        DigestError: If they are not the expected ones.
    """
    weights = load_weights(stage)
    graph = _GraphBuilder()
    if stage == "pnet":
        return _pnet(graph, weights)
    if stage == "rnet":
        return _rnet(graph, weights)
    return _onet(graph, weights)


class _GraphBuilder:
    """Collects nodes and weights of a graph that is one chain of layers."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.current = INPUT_NAME
        self._chain("Transpose", perm=[0, 3, 1, 2])

    def convolve(
        self,
        kernel_hwio: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        slope: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Append a convolution without padding, then a PReLU if there is a slope."""
        self._chain("Conv", kernel_hwio.transpose(3, 2, 0, 1), bias)
        if slope is not None:
            self._chain("PRelu", slope.reshape(-1, 1, 1))

    def pool(self, size: int) -> None:
        """Append a max pooling of stride 2 whose last window may reach over the edge."""
        self._chain("MaxPool", kernel_shape=[size, size], strides=[2, 2], ceil_mode=1)

    def connect(
        self,
        matrix: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        slope: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Append a dense layer over the flattened features, then a PReLU if there is a slope."""
        self._chain("Flatten", axis=1)
        self._chain("Gemm", matrix, bias)
        if slope is not None:
            self._chain("PRelu", slope)

    def to_bytes(
        self, input_shape: Sequence[int | str], output_shape: Sequence[int | str]
    ) -> bytes:
        """Finish the graph: check it and serialise it."""
        self.nodes[-1].output[0] = "offsets"
        graph = helper.make_graph(
            self.nodes,
            "mtcnn",
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, input_shape)],
            [helper.make_tensor_value_info("offsets", TensorProto.FLOAT, output_shape)],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content

    def _chain(self, kind: str, *weights: npt.NDArray[np.float32], **attributes: Any) -> None:
        output = f"{kind.lower()}_{len(self.nodes)}"
        names = [f"{output}_weight_{index}" for index in range(len(weights))]
        for name, weight in zip(names, weights, strict=True):
            array = np.ascontiguousarray(weight, np.float32)
            self.initializers.append(numpy_helper.from_array(array, name))
        node = helper.make_node(kind, [self.current, *names], [output], **attributes)
        self.nodes.append(node)
        self.current = output


def _pnet(graph: _GraphBuilder, weights: _Weights) -> bytes:
    graph.convolve(*_normalised(weights[0], weights[1]), weights[2])
    graph.pool(2)
    graph.convolve(*weights[3:6])
    graph.convolve(*weights[6:9])
    graph.convolve(*_joined_heads(weights[11:13], weights[9:11]))
    return graph.to_bytes(("b", "h", "w", 3), ("b", 5, "rows", "columns"))


def _rnet(graph: _GraphBuilder, weights: _Weights) -> bytes:
    graph.convolve(*_normalised(weights[0], weights[1]), weights[2])
    graph.pool(3)
    graph.convolve(*weights[3:6])
    graph.pool(3)
    graph.convolve(*weights[6:9])
    graph.connect(_channels_first(weights[9], cells=3), *weights[10:12])
    graph.connect(*_joined_heads(weights[14:16], weights[12:14]))
    return graph.to_bytes(("b", 24, 24, 3), ("b", 5))


def _onet(graph: _GraphBuilder, weights: _Weights) -> bytes:
    graph.convolve(*_normalised(weights[0], weights[1]), weights[2])
    graph.pool(3)
    graph.convolve(*weights[3:6])
    graph.pool(3)
    graph.convolve(*weights[6:9])
    graph.pool(2)
    graph.convolve(*weights[9:12])
    graph.connect(_channels_first(weights[12], cells=3), *weights[13:15])
    graph.connect(*_joined_heads(weights[19:21], weights[15:17], weights[17:19]))
    return graph.to_bytes(("b", 48, 48, 3), ("b", 15))


def _normalised(
    kernel: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Fold ``(pixels - mean) / std`` into a convolution; exact because nothing is padded."""
    scaled = kernel.astype(np.float64) / PIXEL_STD
    shifted = bias - PIXEL_MEAN * scaled.sum(axis=(0, 1, 2))
    return scaled.astype(np.float32), shifted.astype(np.float32)


def _joined_heads(scores: _Weights, *others: _Weights) -> tuple[npt.NDArray[np.float32], ...]:
    """Put the heads side by side, the pair of class logits as its difference in front."""
    logit = [weight[..., 1:] - weight[..., :1] for weight in scores]
    kernels, biases = zip(logit, *others, strict=True)
    return np.concatenate(kernels, axis=-1), np.concatenate(biases, axis=-1)


def _channels_first(matrix: npt.NDArray[np.float32], *, cells: int) -> npt.NDArray[np.float32]:
    """Sort a dense layer's rows from (width, height, channel) to (channel, height, width)."""
    by_cell = matrix.reshape(cells, cells, -1, matrix.shape[1])
    return np.ascontiguousarray(by_cell.transpose(2, 1, 0, 3).reshape(matrix.shape))
