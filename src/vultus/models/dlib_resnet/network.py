"""dlib's face recognition ResNet as its file describes it, layer by layer.

A network is written from the outside in: first the version of every layer from the last to the
first, which says no more than whether it computes (2) or only marks or recalls a place (1); then
from the first to the last what each of those that compute holds. Every length that a layer states
twice must agree, and the file must end with the network.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vultus.models.dlib_resnet.stream import DlibStream

_COMPUTES, _MARKS, _INPUT = 2, 1, 3
_MOST_LAYERS = 1000
_TRAINING_TENSORS = 3  # gradients and outputs of training; empty in what is published
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """A convolution.

    Attributes:
        kernel: (out, in, h, w) float32.
        bias: (out,) float32.
        stride: Pixels, both ways.
        padding: Rows and columns of zeros on each side.
    """

    kernel: FloatArray
    bias: FloatArray
    stride: int
    padding: int


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """``gamma x + beta``, channel by channel; both (channels,) float32."""

    gamma: FloatArray
    beta: FloatArray


@dataclass(frozen=True, slots=True)
class Pool:
    """A pooling without padding; size 0 is over everything."""

    kind: Literal["max", "average"]
    size: int
    stride: int


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A matrix (in, out) float32, without bias."""

    matrix: FloatArray


Step = Literal["relu", "mark", "recall", "add"]
"""``mark`` keeps what is here for the next ``add``. ``recall`` keeps it too, and goes on with what
was marked before. ``add`` adds what was kept; the smaller of the two is continued with zeros, over
channels, rows and columns."""

Layer = Convolution | Affine | Pool | Dense | Step


@dataclass(frozen=True, slots=True, eq=False)
class DlibNetwork:
    """What the file holds.

    Attributes:
        mean_rgb: Subtracted from pixels in [0, 255]; then they are divided by 256.
        size_px: Height and width of the chip that it takes.
        layers: From the first to the last.
    """

    mean_rgb: tuple[float, float, float]
    size_px: int
    layers: tuple[Layer, ...]

    @property
    def n_parameters(self) -> int:
        """Weights that were trained."""
        arrays: list[FloatArray] = []
        for layer in self.layers:
            if isinstance(layer, Convolution):
                arrays += [layer.kernel, layer.bias]
            elif isinstance(layer, Affine):
                arrays += [layer.gamma, layer.beta]
            elif isinstance(layer, Dense):
                arrays.append(layer.matrix)
        return sum(array.size for array in arrays)


def read_network(content: bytes, *, name: str = "the file") -> DlibNetwork:
    """Read the file ``dlib_face_recognition_resnet_model_v1.dat``.

    Args:
        content: Its bytes.
        name: What messages call it.

    Raises:
        ModelError: If it is something else, cut short, continued, or contradicts itself.
    """
    stream = DlibStream(content, name=name)
    stream.expect(1, stream.integer(), "version of the loss")
    stream.expect("loss_metric_2", stream.text(), "loss")
    stream.real(), stream.real()  # its margin and its distance: for training
    versions = _versions(stream)
    stream.expect("input_rgb_image_sized", stream.text(), "input")
    red, green, blue = (stream.real() for _ in range(3))
    height, width = stream.count(), stream.count()
    stream.expect(height, width, "square input of height and width")
    layers: list[Layer] = [_computing(stream)]
    stream.expect(1, stream.integer(), "faces per image")
    for index in range(len(versions) - 2, -1, -1):
        if versions[index] == _COMPUTES:
            layers.append(_computing(stream))
        elif layers[-1] == "mark":
            layers[-1] = "recall"  # a tag and a skip: two layers in the file, one step here
        else:
            layers.append("mark")
    stream.end()
    return DlibNetwork((red, green, blue), height, tuple(layers))


def _versions(stream: DlibStream) -> list[int]:
    versions: list[int] = []
    while not versions or versions[-1] != _INPUT:
        versions.append(stream.integer())
        if versions[-1] not in (_COMPUTES, _MARKS, _INPUT) or len(versions) > _MOST_LAYERS:
            stream.refuse("versions of at most 1,000 layers", f"{versions[-1]}")
    return versions


def _computing(stream: DlibStream) -> Layer:
    layer = _details(stream)
    for _ in range(3):
        stream.flag()
    for _ in range(_TRAINING_TENSORS):
        stream.tensor()
    return layer


def _details(stream: DlibStream) -> Layer:
    kind = stream.text()
    if kind == "con_4":
        return _convolution(stream)
    if kind == "affine_":
        return _affine(stream)
    if kind == "relu_":
        return "relu"
    if kind == "add_prev_":
        return "add"
    if kind in ("max_pool_2", "avg_pool_2"):
        return _pool(stream, "max" if kind == "max_pool_2" else "average")
    if kind == "fc_2":
        return _dense(stream)
    stream.refuse("a known kind of layer", repr(kind[:40]))


def _convolution(stream: DlibStream) -> Convolution:
    weights = stream.tensor().ravel()
    filters, rows, columns, stride, stride_x, padding, padding_x = (
        stream.count() for _ in range(7)
    )
    kernel, bias = stream.alias(), stream.alias()
    for _ in range(4):
        stream.real()  # learning rates and decay
    stream.expect((stride, padding), (stride_x, padding_x), "stride and padding along x")
    stream.expect((filters, rows, columns), (kernel[0], *kernel[2:]), "kernel")
    stream.expect((1, filters, 1, 1), bias, "bias")
    size = int(np.prod(kernel))
    stream.expect(size + filters, weights.size, "number of weights")
    if stride < 1 or size < 1:
        stream.refuse("a stride and a kernel of at least 1", f"{stride} and {kernel}")
    return Convolution(weights[:size].reshape(kernel), weights[size:], stride, padding)


def _affine(stream: DlibStream) -> Affine:
    weights = stream.tensor().ravel()
    gamma, beta = stream.alias(), stream.alias()
    stream.expect(0, stream.integer(), "mode of an affine layer (after a convolution)")
    stream.expect(gamma, beta, "shape of beta")
    stream.expect((1, weights.size // 2, 1, 1), gamma, "shape of gamma")
    stream.expect(2 * gamma[1], weights.size, "number of weights")
    return Affine(weights[: gamma[1]], weights[gamma[1] :])


def _pool(stream: DlibStream, kind: Literal["max", "average"]) -> Pool:
    rows, columns, stride, stride_x, padding, padding_x = (stream.count() for _ in range(6))
    stream.expect((rows, stride), (columns, stride_x), "square window and stride")
    stream.expect((0, 0), (padding, padding_x), "padding of a pooling")
    if stride < 1:
        stream.refuse("a stride of at least 1", str(stride))
    return Pool(kind, rows, stride)


def _dense(stream: DlibStream) -> Dense:
    outputs, inputs = stream.count(), stream.count()
    weights = stream.tensor()
    matrix, bias = stream.alias(), stream.alias()
    stream.expect(1, stream.integer(), "mode of a dense layer (no bias)")
    for _ in range(4):
        stream.real()
    stream.expect((inputs, outputs, 1, 1), matrix, "matrix")
    stream.expect(matrix, weights.shape, "weights")
    stream.expect((0, 0, 0, 0), bias, "bias")
    return Dense(weights.reshape(inputs, outputs))
