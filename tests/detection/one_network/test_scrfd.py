"""SCRFD with the weights of its port to the engine ncnn, beside the detector that is tested most.

The port has the published network of 500M with other names and 16-bit weights. It is read here into
an ONNX file of the layout that the published one has, and goes the whole way through `open_scrfd`.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vultus.core.faces import Image
from vultus.detection.base import DETECTORS
from vultus.detection.one_network.scrfd import ScrfdDetector, open_scrfd

_PORT = "scrfd_500m_kps-opt2"
_WIDTHS = {"score": 1, "bbox": 4, "kps": 10}
_HALF = 0x01306B47
"""What stands before weights of 16 bits."""


class _Weights:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int, dtype: str) -> Any:
        values = np.frombuffer(self._data, dtype, count, self.at)
        self.at += -(-values.nbytes // 4) * 4
        return values.astype(np.float32)

    def kernel(self, count: int) -> Any:
        (kind,) = struct.unpack_from("<I", self._data, self.at)
        self.at += 4
        assert kind in (0, _HALF)
        return self.take(count, "<f2" if kind == _HALF else "<f4")

    @property
    def used_up(self) -> bool:
        return self.at == len(self._data)


class _Graph:
    """An ONNX graph of the few layers that the port has."""

    def __init__(self, weights: _Weights) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._weights = weights

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def layer(
        self, kind: str, name: str, ins: list[str], outs: list[str], p: dict[int, Any]
    ) -> None:
        if kind.startswith("Convolution"):
            self._convolution(name, ins[0], outs[0], p)
        elif kind == "Split":
            for out in outs:
                self.node("Identity", ins, out)
        elif kind == "BinaryOp":
            assert p.get(0, 0) == 0
            self.node("Add", ins, outs[0])
        elif kind == "Interp":
            assert p[0] == 1
            scales = self.constant(f"{name}_scales", np.array([1, 1, p[1], p[2]], np.float32))
            nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
            self.node("Resize", [ins[0], "", scales], outs[0], nearest_mode="floor", **nearest)
        else:
            assert kind == "Sigmoid"
            self.node("Sigmoid", ins, outs[0])

    def _convolution(self, name: str, source: str, output: str, p: dict[int, Any]) -> None:
        groups, size = int(p.get(7, 1)), int(p[1])
        kernel = self._weights.kernel(int(p[6])).reshape(int(p[0]), -1, size, size)
        bias = self._weights.take(int(p[0]), "<f4")
        inputs = [source, self.constant(f"{name}_k", kernel), self.constant(f"{name}_b", bias)]
        pad, stride = int(p.get(4, 0)), int(p.get(3, 1))
        activated = p.get(9, 0) == 1
        out = f"{output}_linear" if activated else output
        settings = {"pads": [pad] * 4, "strides": [stride] * 2, "group": groups}
        self.node("Conv", inputs, out, kernel_shape=[size] * 2, **settings)
        if activated:
            self.node("Relu", [out], output)


def _read_port(folder: Path) -> onnx.ModelProto:
    if not (folder / f"{_PORT}.bin").exists():
        pytest.skip(f"needs {_PORT}.bin and {_PORT}.param in the folder of public model files")
    weights = _Weights((folder / f"{_PORT}.bin").read_bytes())
    graph = _Graph(weights)
    for line in (folder / f"{_PORT}.param").read_text().splitlines()[2:]:
        kind, name, n_in, n_out, *rest = line.split()
        if kind == "Input":
            continue
        first, last = int(n_in), int(n_in) + int(n_out)
        pairs = (word.split("=") for word in rest[last:])
        settings = {int(key): float(value) for key, value in pairs}
        graph.layer(kind, name, rest[:first], outs=rest[first:last], p=settings)
    assert weights.used_up
    outputs = []
    for part, width in _WIDTHS.items():
        for stride in (8, 16, 32):
            shape = graph.constant(f"{part}_{stride}_shape", np.array([-1, width], np.int64))
            rows = graph.node(
                "Transpose", [f"{part}_{stride}"], f"{part}_{stride}_t", perm=[0, 2, 3, 1]
            )
            out = graph.node("Reshape", [rows, shape], f"{part}_{stride}_rows")
            outputs.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, ["n", width]))
    source = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "h", "w"])
    made = helper.make_graph(graph.nodes, "scrfd", [source], outputs, graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.models
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_published_weights_find_what_another_detector_finds(
    mirror: Path, tmp_path: Path, hopper: Image, collins: Image, rocket: Image, runtime: Any
) -> None:
    path = tmp_path / "scrfd_500m_kps.onnx"
    onnx.save(_read_port(mirror), path)
    scrfd, reference = open_scrfd(model=path, runtime=runtime), DETECTORS.create("mtcnn")
    for image in (hopper, collins, np.ascontiguousarray(np.hstack([hopper, hopper[:, ::-1]]))):
        faces, known = scrfd.detect(image), reference.detect(image)
        assert len(faces) == len(known)
        for row in range(len(known)):
            distances = np.abs(faces.landmarks - known.landmarks[row]).mean(axis=(1, 2))
            nearest = int(distances.argmin())
            eyes = np.linalg.norm(known.landmarks[row, 0] - known.landmarks[row, 1])
            assert distances[nearest] < 0.1 * eyes
            assert faces.scores[nearest] > 0.7
            assert _overlap(faces.boxes[nearest], known.boxes[row]) > 0.6
    assert len(scrfd.detect(rocket)) == 0


def _overlap(a: Any, b: Any) -> float:
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


class _InNcnn:
    """The port run by the engine that it was made for, in the place of a session."""

    def __init__(self, folder: Path, like: Any) -> None:
        ncnn = pytest.importorskip("ncnn")
        self.inputs, self.outputs = like.inputs, like.outputs
        self._matrix, self._net = ncnn.Mat, ncnn.Net()
        for part in ("packed", "storage", "arithmetic"):
            setattr(self._net.opt, f"use_fp16_{part}", False)
        self._net.load_param(str(folder / f"{_PORT}.param"))
        self._net.load_model(str(folder / f"{_PORT}.bin"))

    def run(self, feeds: Any) -> list[Any]:
        extractor = self._net.create_extractor()
        (pixels,) = feeds.values()
        extractor.input("input.1", self._matrix(np.ascontiguousarray(pixels[0])).clone())
        outputs = []
        for part, width in _WIDTHS.items():
            for stride in (8, 16, 32):
                _, found = extractor.extract(f"{part}_{stride}")
                outputs.append(np.array(found).transpose(1, 2, 0).reshape(-1, width))
        return outputs


@pytest.mark.models
def test_it_finds_what_ncnn_finds(
    mirror: Path, tmp_path: Path, hopper: Image, collins: Image, rocket: Image
) -> None:
    path = tmp_path / "scrfd_500m_kps.onnx"
    onnx.save(_read_port(mirror), path)
    ours = open_scrfd(model=path, runtime="onnxruntime")
    theirs: Any = _InNcnn(mirror, ours._session)
    peer = ScrfdDetector(theirs, ours.settings)
    for image in (hopper, collins, rocket, np.ascontiguousarray(np.hstack([hopper, hopper]))):
        faces, known = ours.detect(image), peer.detect(image)
        assert len(faces) == len(known)
        np.testing.assert_allclose(faces.boxes, known.boxes, atol=0.01)
        np.testing.assert_allclose(faces.landmarks, known.landmarks, atol=0.01)
        np.testing.assert_allclose(faces.scores, known.scores, atol=1e-4)
