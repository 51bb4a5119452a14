"""MiniFASNet's published weights as ONNX graphs: a passive signal of presentation attacks."""

import pickle
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import ModelError, ModelNotFoundError
from vultus.core.files import write_bytes
from vultus.models.digest import sha256_file
from vultus.models.graph_bytes import graph_bytes
from vultus.models.store import ModelStore

if TYPE_CHECKING:
    import onnx

OPSET = 17
_SIZE = 80
_EPS = 1e-5
_PREFIX = "module."
"""What training on several devices puts before each name."""
_STAGES = ("conv_3", "conv_4", "conv_5")

_Array = npt.NDArray[np.float32]


def read_weights(path: str | Path) -> dict[str, _Array]:
    """Read the weights of a ``.pth`` file, and nothing else of it: no code of the file is run.

    Args:
        path: What the network's makers publish.

    Returns:
        float32 arrays by name, without the prefix of training on several devices.

    Raises:
        ModelError: If it is no such file.
    """
    import torch

    refused = ModelError(
        f"{path} must be a PyTorch file that holds weights and nothing else (.pth); it is not one"
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about kinds of files that are then refused
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
        return {
            str(name).removeprefix(_PREFIX): np.asarray(values.numpy(), np.float32)
            for name, values in found.items()
        }
    except OSError as error:
        raise ModelError(f"{path} must be readable: {error.strerror or error}") from error
    # torch's own words propose to load it with code and all.
    except (EOFError, RuntimeError, AttributeError, pickle.UnpicklingError) as error:
        raise refused from error


def minifasnet_graph(weights: Mapping[str, npt.NDArray[np.floating[Any]]]) -> bytes:
    """Build the graph: crops (b, 3, 80, 80) float32, BGR in [0, 255] -> (b, 3) probabilities.

    The classes are print, live face, replay, in this order; the middle one is the score.
    Normalisations are folded into the convolutions before them. The same weights give the same
    bytes.

    Args:
        weights: As `read_weights` gives them, of MiniFASNet V1, V2, V1SE or V2SE: how many channels
            a layer has, and whether it weighs them, is read off the weights.

    Raises:
        ModelError: If the weights are those of another network.

    Source:
        The layers' names and order are those of Silent-Face-Anti-Spoofing (Minivision, 2020).
    """
    builder = _GraphBuilder(weights)
    builder.unit("conv1", stride=2)
    builder.unit("conv2_dw")
    builder.bottleneck("conv_23", stride=2)
    for stage, then in zip(_STAGES, ("conv_34", "conv_45", None), strict=True):
        count = builder.blocks(stage)
        for number in range(count):
            builder.bottleneck(f"{stage}.model.{number}", residual=True)
        if then is not None:
            builder.bottleneck(then, stride=2)
    builder.unit("conv_6_sep")
    builder.unit("conv_6_dw", padding=0)
    builder.classify()
    return builder.to_bytes()


class _GraphBuilder:
    """Collects nodes and weights, and notes which weights were used."""

    def __init__(self, weights: Mapping[str, npt.NDArray[np.floating[Any]]]) -> None:
        self._given = weights
        self._left = {name for name in weights if not name.endswith("num_batches_tracked")}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._current = "crops"

    def blocks(self, stage: str) -> int:
        """How many blocks a stage has."""
        numbers = {
            int(name.split(".")[2]) for name in self._given if name.startswith(f"{stage}.model.")
        }
        if numbers != set(range(len(numbers))) or not numbers:
            raise ModelError(f"MiniFASNet must have blocks in {stage}.model, got {sorted(numbers)}")
        return len(numbers)

    def unit(self, name: str, *, stride: int = 1, padding: int | None = None) -> None:
        """Convolution, normalisation, and an activation where there is one."""
        kernel = self._take(f"{name}.conv.weight", 4)
        scale, shift = self._norm(f"{name}.bn")
        size = kernel.shape[2]
        groups = len(kernel) if kernel.shape[1] == 1 else 1
        self._chain(
            "Conv",
            self._current,
            self._constant(kernel * scale[:, None, None, None]),
            self._constant(shift),
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2 if padding is None else padding] * 4,
            group=groups,
        )
        if f"{name}.prelu.weight" in self._given:
            slope = self._take(f"{name}.prelu.weight", 1)
            self._chain("PRelu", self._current, self._constant(slope[:, None, None]))

    def bottleneck(self, name: str, *, stride: int = 1, residual: bool = False) -> None:
        """Widen, look around in each channel, narrow; weigh channels; add what came in."""
        before = self._current
        self.unit(f"{name}.conv")
        self.unit(f"{name}.conv_dw", stride=stride)
        self.unit(f"{name}.project")
        if f"{name}.se_module.fc1.weight" in self._given:
            self._squeeze(f"{name}.se_module")
        if residual:
            self._chain("Add", before, self._current)

    def classify(self) -> None:
        """Two matrices with a normalisation between them, then probabilities."""
        first = self._take("linear.weight", 2)
        scale, shift = self._norm("bn")
        last = self._take("prob.weight", 2)
        if len(last) != 3:
            raise ModelError(f"MiniFASNet must tell 3 classes, tells {len(last)}")
        # Nothing lies between the matrices: they are one.
        matrix = last @ (first * scale[:, None])
        self._chain("Flatten", self._current, axis=1)
        self._chain(
            "Gemm", self._current, self._constant(matrix), self._constant(last @ shift), transB=1
        )
        self._chain("Softmax", self._current, axis=1)

    def to_bytes(self) -> bytes:
        """Finish the graph: check it and serialise it."""
        if self._left:
            raise ModelError(
                f"a MiniFASNet has no weights called {', '.join(sorted(self._left)[:3])}: this is "
                "another network"
            )
        return graph_bytes(
            self._nodes,
            self._constants,
            name="minifasnet",
            crops=("crops", _SIZE),
            output=("probabilities", 3),
            opset=OPSET,
        )

    def _squeeze(self, name: str) -> None:
        inside = self._current
        self._chain("GlobalAveragePool", inside)
        for layer, norm, then in (("fc1", "bn1", "Relu"), ("fc2", "bn2", "Sigmoid")):
            kernel = self._take(f"{name}.{layer}.weight", 4)
            scale, shift = self._norm(f"{name}.{norm}")
            weight = self._constant(kernel * scale[:, None, None, None])
            self._chain("Conv", self._current, weight, self._constant(shift), kernel_shape=[1, 1])
            self._chain(then, self._current)
        self._chain("Mul", inside, self._current)

    def _norm(self, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """A normalisation as a factor and a shift for each channel."""
        gain, bias, mean, variance = (
            self._take(f"{name}.{part}", 1)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + _EPS)
        return scale, bias - mean * scale

    def _take(self, name: str, ndim: int) -> npt.NDArray[np.float64]:
        if name not in self._given or self._given[name].ndim != ndim:
            got = "none" if name not in self._given else f"shape {self._given[name].shape}"
            raise ModelError(f"MiniFASNet must have {name} of {ndim} axes, got {got}")
        self._left.discard(name)
        return np.asarray(self._given[name], np.float64)

    def _constant(self, values: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"weight_{len(self._constants)}"
        array = np.ascontiguousarray(values, np.float32)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def _chain(self, kind: str, *inputs: str, **attributes: Any) -> None:
        from onnx import helper

        self._current = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [self._current], **attributes))


def convert_weights(path: str | Path, output: str | Path) -> Path:
    """Write published weights as an ONNX file.

    Args:
        path: The ``.pth`` file.
        output: The file to make; one that is there is replaced.

    Raises:
        ModelError: If it is no MiniFASNet.
        OutputError: If it cannot be written.
    """
    weights = read_weights(path)
    try:
        content = minifasnet_graph(weights)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    write_bytes(Path(output), content)
    return Path(output)


def import_weights(path: str | Path, *, store: ModelStore | None = None) -> tuple[str, Path]:
    """Convert published weights into the model store, under the card that they belong to.

    Args:
        path: The ``.pth`` file.
        store: None takes the usual one.

    Returns:
        The model's name, and its file in the store.

    Raises:
        ModelError: If no card is that of this file, or what comes of it is not what the card
            promises.
        LicenceError: If the policy forbids the model.
    """
    store = ModelStore() if store is None else store
    source = Path(path)
    if not source.is_file():
        raise ModelNotFoundError(f"weights to convert must be a file, got {str(source)!r}")
    digest = sha256_file(source)
    cards = [card for card in store.cards() if card.task == "antispoof"]
    named = [card for card in cards if card.built_from_sha256 == digest]
    if not named:
        known = ", ".join(f"{card.built_from} ({card.built_from_sha256})" for card in cards)
        raise ModelError(
            f"{source} has SHA-256 {digest}, and no card is that of this file; known are {known}; "
            "give --output FILE to convert it nevertheless"
        )
    with tempfile.TemporaryDirectory(prefix="vultus-convert-") as place:
        part = convert_weights(source, Path(place) / named[0].file_name)
        if (got := sha256_file(part)) != named[0].sha256:
            raise ModelError(
                f"model {named[0].name!r} as converted from {source} must have SHA-256 "
                f"{named[0].sha256}, has {got}; the installed onnx may write other bytes: use the "
                "one of requirements/lock.txt"
            )
        store.import_model(part)
    return named[0].name, store.path(named[0].name)
