"""YuNet: one very small network for faces and five landmarks (Wu et al. 2023)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.choices import Precision, Runtime
from vultus.detection.base import DETECTORS
from vultus.detection.one_network.anchors import RawFaces, anchor_points, outputs_of_width
from vultus.detection.one_network.one_shot import OneShotDetector, OneShotSettings, resolve_model
from vultus.runtime.session import open_session

_STRIDES = (8, 16, 32)

_FloatArray = npt.NDArray[np.float32]


@DETECTORS.register("yunet")
def open_yunet(
    *,
    model: str | Path = "yunet-2023mar",
    score_threshold: float = 0.6,
    nms_iou: float = 0.3,
    max_side: int = 640,
    border: float = 0.125,
    min_face_px: float = 0,
    runtime: Runtime = "auto",
    precision: Precision = "f32",
    threads: int | None = None,
) -> "YuNetDetector":
    """Open YuNet.

    Args:
        model: A name in the model store (``yunet-2023mar``, ``yunet-n-dynamic``,
            ``yunet-n-320``), or the `Path` of an ONNX file of the same layout.
        score_threshold: See `OneShotSettings`, as for the next four.
        nms_iou: As there.
        max_side: As there.
        border: As there.
        min_face_px: As there.
        runtime: The inference engine, see `vultus.runtime.session.open_session`.
        precision: Arithmetic inside the network.
        threads: Threads of the network; None leaves it to the engine.

    Raises:
        InputError: If a setting is out of range.
        ModelNotFoundError: If the model's file is neither here nor can be fetched.
        ModelError: If it is another kind of network.
    """
    settings = OneShotSettings(
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        max_side=max_side,
        border=border,
        min_face_px=min_face_px,
    )
    path = resolve_model(model)
    session = open_session(path, runtime=runtime, precision=precision, threads=threads)
    return YuNetDetector(session, settings)


class YuNetDetector(OneShotDetector):
    """YuNet over an open network: BGR in [0, 255], 12 outputs.

    Per stride 8, 16, 32 these are two probabilities, boxes and landmarks; they are told apart by
    their shapes.

    Args:
        session: The network.
        settings: How to look at images.

    Raises:
        ModelError: If it is another kind of network.
    """

    name = "yunet"
    fill = 0
    n_outputs = 12

    def tensor(self, canvases: npt.NDArray[np.uint8]) -> _FloatArray:
        """RGB pixels to BGR planes, (b, 3, h, w) float32 in [0, 255]."""
        return np.ascontiguousarray(canvases[..., ::-1].transpose(0, 3, 1, 2), np.float32)

    def decode(
        self, outputs: Sequence[npt.NDArray[Any]], canvas_hw: tuple[int, int]
    ) -> list[list[RawFaces]]:
        """Read the outputs; see `decode_yunet`."""
        points = [anchor_points(canvas_hw, stride) for stride in _STRIDES]
        cells = [len(corners) for corners in points]
        # Two probabilities per cell; only their product counts, so that either may come first.
        pairs = outputs_of_width(outputs, 1, cells=[n for n in cells for _ in range(2)])
        boxes, landmarks = (outputs_of_width(outputs, width, cells=cells) for width in (4, 10))
        return [
            [
                decode_yunet(
                    pairs[2 * number][index],
                    pairs[2 * number + 1][index],
                    boxes[number][index],
                    landmarks[number][index],
                    points=points[number],
                    stride=stride,
                )
                for number, stride in enumerate(_STRIDES)
            ]
            for index in range(len(pairs[0]))
        ]


def decode_yunet(
    cls: _FloatArray,
    obj: _FloatArray,
    bbox: _FloatArray,
    kps: _FloatArray,
    *,
    points: _FloatArray,
    stride: int,
) -> RawFaces:
    """Faces from one output map.

    Args:
        cls: (n, 1) float32; probability that the object is a face.
        obj: (n, 1) float32; probability that there is an object.
        bbox: (n, 4) float32; centre and the logarithm of the size, in strides from the cell.
        kps: (n, 10) float32; landmarks ``x y x y ...``, in strides from the cell.
        points: (n, 2) float32; corners of the cells in pixels.
        stride: Pixels per cell.

    Returns:
        One face per cell; the score is the geometric mean of both probabilities.
    """
    probabilities = np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1)
    centres = points + bbox[:, :2] * stride
    half_sizes = np.exp(bbox[:, 2:]) * (stride / 2)
    boxes = np.concatenate([centres - half_sizes, centres + half_sizes], axis=1)
    landmarks = points[:, None] + kps.reshape(-1, 5, 2) * stride
    return RawFaces(
        boxes.astype(np.float32),
        landmarks.astype(np.float32),
        np.sqrt(probabilities).astype(np.float32),
    )
