"""dlib's face recognition ResNet as an ONNX graph.

Changed in form only: the normalisation of pixels and the affine layers are folded into the
convolutions, and what is added is continued with zeros by a Pad. In front stands a constant
resampling, two matrices, that makes dlib's chip of 150 x 150 pixels from a crop of the template
``arcface-112``: both lay eyes level and at one place, so that one is the other enlarged and moved.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vultus.models.dlib_resnet.network import (
    Affine,
    Convolution,
    Dense,
    DlibNetwork,
    Layer,
    Pool,
)
from vultus.models.graph_bytes import graph_bytes

if TYPE_CHECKING:
    import onnx

INPUT_NAME, OUTPUT_NAME = "crops", "embedding"
OPSET = 13
_PIXEL_STD = 256.0
_CROP_PX = 112

CHIP_SCALE = 0.637
"""Pixels of the crop per pixel of the chip.

Scale and place were chosen on development people, of twelve. dlib's own predictor of five points,
asked about 241 of their crops, gives in the median a scale of 0.685 and the centre (55.8, 72.4)."""
CHIP_ORIGIN_XY = (8.8, 25.55)
"""Where in the crop the centre of the chip's first pixel lies; that of the chip is (56.3, 73.0)."""

FloatArray = npt.NDArray[np.float32]
_Shape = tuple[int, int, int]


def build_graph(network: DlibNetwork, *, chips: bool = False) -> bytes:
    """The network as the bytes of an ONNX file; the same network gives the same bytes.

    Args:
        network: As `vultus.models.dlib_resnet.network.read_network` gives it.
        chips: Take dlib's own chips (b, 3, 150, 150) instead of crops (b, 3, 112, 112).

    Returns:
        A graph of RGB float32 pixels in [0, 255] to (b, 128) float32.
    """
    size = network.size_px if chips else _CROP_PX
    graph = _GraphBuilder((3, network.size_px, network.size_px))
    if not chips:
        graph.resample(network.size_px)
    layers = _folded(network)
    for layer in layers:
        graph.append(layer)
    return graph.to_bytes(size)


def _folded(network: DlibNetwork) -> list[Layer]:
    """The layers, with normalisation and affine layers inside of the convolutions."""
    layers: list[Layer] = []
    for layer in network.layers:
        before = layers[-1] if layers else None
        if isinstance(layer, Affine) and isinstance(before, Convolution):
            gamma, beta = layer.gamma.astype(np.float64), layer.beta.astype(np.float64)
            kernel = before.kernel * gamma[:, None, None, None]
            layers[-1] = Convolution(
                kernel.astype(np.float32),
                (before.bias * gamma + beta).astype(np.float32),
                before.stride,
                before.padding,
            )
        else:
            layers.append(layer)
    first = layers[0]
    if isinstance(first, Convolution):  # exact, because it is not padded
        kernel = first.kernel.astype(np.float64) / _PIXEL_STD
        mean = np.asarray(network.mean_rgb)[None, :, None, None]
        bias = first.bias - (kernel * mean).sum(axis=(1, 2, 3))
        layers[0] = Convolution(
            kernel.astype(np.float32), bias.astype(np.float32), first.stride, first.padding
        )
    return layers


class _GraphBuilder:
    """Collects nodes and weights.

    Args:
        shape: Channels, height and width of the chip.
    """

    def __init__(self, shape: _Shape) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._current = INPUT_NAME
        self._shape = shape
        self._kept: list[tuple[str, _Shape]] = []

    def resample(self, size_px: int) -> None:
        """Make the chip from the crop: ``A x B``, bilinear along rows and along columns."""
        along_y, along_x = (bilinear_matrix(size_px, origin) for origin in CHIP_ORIGIN_XY[::-1])
        self._chain("MatMul", self._current, self._weight(along_x.T))
        self._chain("MatMul", self._weight(along_y), self._current)

    def append(self, layer: Layer) -> None:
        """Append one layer."""
        if isinstance(layer, Convolution):
            self._convolve(layer)
        elif isinstance(layer, Pool):
            self._pool(layer)
        elif isinstance(layer, Dense):
            self._chain("Flatten", self._current, axis=1)
            self._chain("MatMul", self._current, self._weight(layer.matrix))
        elif layer == "relu":
            self._chain("Relu", self._current)
        elif layer == "mark":
            self._kept.append((self._current, self._shape))
        elif layer == "recall":
            here = (self._current, self._shape)
            self._current, self._shape = self._kept.pop()
            self._kept.append(here)
        else:
            self._add(*self._kept.pop())

    def to_bytes(self, size_px: int) -> bytes:
        """Finish the graph: check it and serialise it."""
        return graph_bytes(
            self._nodes,
            self._weights,
            name="dlib-resnet",
            crops=(INPUT_NAME, size_px),
            output=(OUTPUT_NAME, 128),
            opset=OPSET,
        )

    def _convolve(self, layer: Convolution) -> None:
        size = layer.kernel.shape[2]
        self._chain(
            "Conv",
            self._current,
            self._weight(layer.kernel),
            self._weight(layer.bias),
            kernel_shape=[size, size],
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
        )
        _, height, width = self._shape
        sides = (_cells(side + 2 * layer.padding, size, layer.stride) for side in (height, width))
        self._shape = (len(layer.kernel), *sides)  # type: ignore[assignment]

    def _pool(self, layer: Pool) -> None:
        channels, height, width = self._shape
        if layer.size == 0:
            self._chain("GlobalAveragePool", self._current)
            self._shape = (channels, 1, 1)
            return
        kind = "MaxPool" if layer.kind == "max" else "AveragePool"
        window = {"kernel_shape": [layer.size] * 2, "strides": [layer.stride] * 2}
        self._chain(kind, self._current, **window)
        rows, columns = (_cells(side, layer.size, layer.stride) for side in (height, width))
        self._shape = (channels, rows, columns)

    def _add(self, other: str, shape: _Shape) -> None:
        wanted = tuple(max(pair) for pair in zip(self._shape, shape, strict=True))
        here = self._padded(self._current, self._shape, wanted)
        there = self._padded(other, shape, wanted)
        self._chain("Add", here, there)
        self._shape = wanted  # type: ignore[assignment]

    def _padded(self, name: str, shape: _Shape, wanted: tuple[int, ...]) -> str:
        if shape == wanted:
            return name
        pads = [0] * 5 + [want - have for want, have in zip(wanted, shape, strict=True)]
        return self._chain("Pad", name, self._weight(np.array(pads, np.int64)))

    def _weight(self, values: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _chain(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        self._current = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [self._current], **attributes))
        return self._current


def bilinear_matrix(size_px: int, origin_px: float) -> FloatArray:
    """What one side of the chip takes from the crop.

    Args:
        size_px: Pixels of the chip.
        origin_px: Where in the crop the chip's first pixel lies.

    Returns:
        (``size_px``, 112) float32; a row has one or two weights, or none beyond the crop, which is
        black there as dlib's chips are beyond a photo.
    """
    places = origin_px + CHIP_SCALE * np.arange(size_px)
    rows = np.flatnonzero((places >= -0.5) & (places <= _CROP_PX - 0.5))
    places = np.clip(places[rows], 0, _CROP_PX - 1)
    first = np.minimum(np.floor(places).astype(np.int64), _CROP_PX - 2)
    share = (places - first).astype(np.float32)
    matrix = np.zeros((size_px, _CROP_PX), np.float32)
    matrix[rows, first] = 1 - share
    matrix[rows, first + 1] = share
    return matrix


def _cells(side: int, window: int, stride: int) -> int:
    return (side - window) // stride + 1
