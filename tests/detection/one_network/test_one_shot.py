"""YuNet and SCRFD over networks with prepared answers, against decoding cell by cell."""

import math
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.errors import DownloadError, InputError, ModelError, ModelNotFoundError
from vultus.core.faces import Image
from vultus.detection.one_network.one_shot import OneShotDetector, OneShotSettings, resolve_model
from vultus.detection.one_network.scrfd import ScrfdDetector
from vultus.detection.one_network.yunet import YuNetDetector
from vultus.models.store import ModelStore
from vultus.runtime.tensors import TensorSpec

YUNET_WIDTHS = (1, 1, 1, 1, 1, 1, 4, 4, 4, 10, 10, 10)
SCRFD_WIDTHS = (1, 1, 1, 4, 4, 4, 10, 10, 10)

Answer = list[npt.NDArray[np.float32]]


class FakeSession:
    """A session whose outputs are prepared for the shape of its input.

    Args:
        widths: Last axis of every output, in the order of the outputs.
        per_cell: Anchors per cell.
        flat: Leave out the axis of the batch, as some exports do.
    """

    def __init__(
        self, widths: Sequence[int], *, per_cell: int = 1, flat: bool = False, seed: int = 0
    ) -> None:
        free: tuple[int | str, ...] = ("b", 3, "h", "w")
        shape = (1, 3, "h", "w") if flat else free
        self.inputs = (TensorSpec("input", shape, np.dtype(np.float32)),)
        self.outputs = tuple(
            TensorSpec(str(i), ("b", "n", width), np.dtype(np.float32))
            for i, width in enumerate(widths)
        )
        self.description = "fake"
        self.fed: list[npt.NDArray[np.float32]] = []
        self.answers: list[list[npt.NDArray[np.float32]]] = []
        self._widths, self._per_cell, self._flat = widths, per_cell, flat
        self._rng = np.random.default_rng(seed)

    def run(self, feeds: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        (pixels,) = feeds.values()
        self.fed.append(pixels)
        batch, _, rows, columns = pixels.shape
        answer = []
        for number, width in enumerate(self._widths):
            stride = (8, 16, 32)[number % 3]
            cells = (rows // stride) * (columns // stride) * self._per_cell
            array = self._rng.uniform(0, 1, (batch, cells, width)).astype(np.float32)
            answer.append(array)
        self.answers.append(answer)
        return [array[0] if self._flat else array for array in answer]


def settings(**changes: float) -> OneShotSettings:
    values: dict[str, Any] = {
        "score_threshold": 0.9,
        "nms_iou": 1.0,
        "max_side": 640,
        "border": 0.0,
        "min_face_px": 0.0,
    }
    return OneShotSettings(**{**values, **changes})


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def cells(rows: int, columns: int, per_cell: int) -> list[tuple[int, int, int, int]]:
    """Map number, place in the map, x and y in pixels; naive."""
    found = []
    for number, stride in enumerate((8, 16, 32)):
        place = 0
        for y in range(rows // stride):
            for x in range(columns // stride):
                for _ in range(per_cell):
                    found.append((number, place, x * stride, y * stride))
                    place += 1
    return found


def yunet_naive(
    answer: list[npt.NDArray[np.float32]], size_hw: tuple[int, int]
) -> list[list[float]]:
    rows = []
    for number, place, x, y in cells(*size_hw, 1):
        stride = (8, 16, 32)[number]
        cls, obj, box, kps = (answer[number + 3 * part][0, place] for part in range(4))
        score = math.sqrt(cls[0] * obj[0])
        cx, cy = x + box[0] * stride, y + box[1] * stride
        w, h = math.exp(box[2]) * stride, math.exp(box[3]) * stride
        points = [(x, y)[i % 2] + kps[i] * stride for i in range(10)]
        rows.append([score, cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, *points])
    return sorted((row for row in rows if row[0] >= 0.9), key=lambda row: -row[0])


def scrfd_naive(
    answer: list[npt.NDArray[np.float32]], size_hw: tuple[int, int]
) -> list[list[float]]:
    rows = []
    for number, place, x, y in cells(*size_hw, 2):
        stride = (8, 16, 32)[number]
        score, box, kps = (answer[number + 3 * part][0, place] for part in range(3))
        edges = [x - box[0] * stride, y - box[1] * stride, x + box[2] * stride, y + box[3] * stride]
        points = [(x, y)[i % 2] + kps[i] * stride for i in range(10)]
        rows.append([score[0], *edges, *points])
    return sorted((row for row in rows if row[0] >= 0.9), key=lambda row: -row[0])


@pytest.mark.parametrize("kind", ["yunet", "scrfd"])
def test_decoding_equals_reading_cell_by_cell(kind: str) -> None:
    detector, session = opened(kind)
    faces = detector.detect(noise(64, 96))
    naive = (yunet_naive if kind == "yunet" else scrfd_naive)(session.answers[0], (64, 96))
    assert len(faces) == len(naive) > 5
    expected = np.array(naive)
    np.testing.assert_allclose(faces.scores, expected[:, 0], rtol=1e-5)
    np.testing.assert_allclose(faces.boxes, expected[:, 1:5], atol=1e-3)
    np.testing.assert_allclose(faces.landmarks.reshape(-1, 10), expected[:, 5:], atol=1e-3)


def opened(kind: str, **changes: float) -> tuple[OneShotDetector, FakeSession]:
    if kind == "yunet":
        session = FakeSession(YUNET_WIDTHS)
        return YuNetDetector(session, settings(**changes)), session
    session = FakeSession(SCRFD_WIDTHS, per_cell=2, flat=True)
    return ScrfdDetector(session, settings(**changes)), session


def test_yunet_is_fed_blue_first_and_scrfd_red_first_and_scaled() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[...] = (255, 0, 51)
    for kind, expected in (
        ("yunet", (51, 0, 255)),
        ("scrfd", (127.5 / 128, -127.5 / 128, -76.5 / 128)),
    ):
        detector, session = opened(kind)
        detector.detect(image)
        assert session.fed[0].shape == (1, 3, 32, 32)
        np.testing.assert_allclose(session.fed[0][0, :, 0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("border", [0.0, 0.125])
def test_shrunk_images_give_boxes_in_their_own_pixels(border: float) -> None:
    small, small_session = opened("yunet", border=border)
    large, large_session = opened("yunet", border=border, max_side=100)
    a = small.detect(noise(100, 80))
    b = large.detect(np.repeat(np.repeat(noise(100, 80), 3, 0), 3, 1))
    assert np.array_equal(small_session.fed[0], large_session.fed[0])
    np.testing.assert_allclose(a.boxes * 3, b.boxes, rtol=1e-4, atol=1e-3)


def test_images_of_one_size_share_a_run_and_scrfds_fixed_batch_of_one_is_kept() -> None:
    images = [noise(60, 60), noise(90, 60), noise(64, 64)]
    detector, session = opened("yunet")
    assert len(detector.detect_batch(images)) == 3
    assert [pixels.shape for pixels in session.fed] == [(2, 3, 64, 64), (1, 3, 96, 64)]
    detector, session = opened("scrfd")
    detector.detect_batch(images)
    assert [len(pixels) for pixels in session.fed] == [1, 1, 1]


def test_small_faces_are_dropped_on_request() -> None:
    every, _ = opened("yunet")
    some, _ = opened("yunet", min_face_px=20)
    image = noise(160, 160)
    faces = every.detect(image)
    sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).min(axis=1)
    assert 0 < len(some.detect(image)) == (sides >= 20).sum() < len(faces)


def test_other_networks_are_refused() -> None:
    with pytest.raises(ModelError, match="12 outputs"):
        YuNetDetector(FakeSession(SCRFD_WIDTHS), settings())
    detector = ScrfdDetector(FakeSession(SCRFD_WIDTHS, per_cell=1), settings())
    with pytest.raises(ModelError, match="must have outputs"):
        detector.detect(noise(64, 64))


def test_settings_out_of_range_and_unknown_models_are_refused() -> None:
    with pytest.raises(InputError, match="score_threshold"):
        settings(score_threshold=1.1)
    with pytest.raises(InputError, match="max_side"):
        settings(max_side=16)
    with pytest.raises(InputError, match="name in the model store"):
        resolve_model(3)  # type: ignore[arg-type]
    assert resolve_model(Path("x.onnx")) == Path("x.onnx")


def test_offline_the_ways_out_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", offline)
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    monkeypatch.delenv("VULTUS_MODELS_MIRROR", raising=False)
    here = {"yunet-n-320": "store", "yunet-n-dynamic": "changed", "sface-2021dec": "store"}
    for expected, switch in ((DownloadError, "0"), (ModelNotFoundError, "1")):
        monkeypatch.setenv("VULTUS_OFFLINE", switch)
        monkeypatch.setattr(ModelStore, "place", lambda *_: None)
        with pytest.raises(expected) as told:
            resolve_model("yunet-2023mar")
        message = str(told.value)
        assert "VULTUS_MODELS_MIRROR" in message
        assert "VULTUS_OFFLINE" in message
        assert "Here already" not in message
        monkeypatch.setattr(ModelStore, "place", lambda _, name: here.get(name))
        with pytest.raises(expected, match=r"for the same detector: `yunet:yunet-n-320`$"):
            resolve_model("yunet-2023mar")


def test_the_smallest_face_follows_from_how_far_the_photo_is_shrunk() -> None:
    detector = YuNetDetector(FakeSession(YUNET_WIDTHS), settings(max_side=640))
    assert detector.smallest_face((480, 640)) == (10, "max_side=1280")
    assert detector.smallest_face((4800, 6400)) == (100, "max_side=1280")
    chosen = YuNetDetector(FakeSession(YUNET_WIDTHS), settings(max_side=640, min_face_px=120))
    assert chosen.smallest_face((4800, 6400)) == (120, "")
