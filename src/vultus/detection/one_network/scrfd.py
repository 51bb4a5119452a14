"""SCRFD: an accurate detector with five landmarks (Guo et al. 2021).

The ONNX files that this decodes could not be tried when it was written. Its test has the weights of
one of them (500M with landmarks), out of a port to another engine; see docs/guide/detection.md.
"""

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
_ANCHORS = 2
PIXEL_MEAN, PIXEL_STD = 127.5, 128.0

_FloatArray = npt.NDArray[np.float32]


@DETECTORS.register("scrfd")
def open_scrfd(
    *,
    model: str | Path = "scrfd-10g-kps",
    score_threshold: float = 0.5,
    nms_iou: float = 0.4,
    max_side: int = 640,
    border: float = 0.125,
    min_face_px: float = 0,
    runtime: Runtime = "auto",
    precision: Precision = "f32",
    threads: int | None = None,
) -> "ScrfdDetector":
    """Open SCRFD.

    Args:
        model: A name in the model store (``scrfd-10g-kps``, ``scrfd-500m-kps``), or the `Path` of
            an ONNX file of the same layout.
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
    return ScrfdDetector(session, settings)


class ScrfdDetector(OneShotDetector):
    """SCRFD over an open network: RGB, ``(pixels - 127.5) / 128``.

    The nine outputs are scores, boxes and landmarks at the strides 8, 16, 32 each. They are told
    apart by their last axis (1, 4, 10) and then by their length, because their names are numbers.

    Args:
        session: The network.
        settings: How to look at images.

    Raises:
        ModelError: If it is another kind of network.
    """

    name = "scrfd"
    fill = 0
    n_outputs = 9

    def tensor(self, canvases: npt.NDArray[np.uint8]) -> _FloatArray:
        """RGB pixels to planes, (b, 3, h, w) float32 in about [-1, 1]."""
        planes = canvases.transpose(0, 3, 1, 2).astype(np.float32)
        return np.ascontiguousarray((planes - PIXEL_MEAN) / PIXEL_STD, np.float32)

    def decode(
        self, outputs: Sequence[npt.NDArray[Any]], canvas_hw: tuple[int, int]
    ) -> list[list[RawFaces]]:
        """Read the outputs; see `decode_scrfd`."""
        points = [anchor_points(canvas_hw, stride, per_cell=_ANCHORS) for stride in _STRIDES]
        cells = [len(corners) for corners in points]
        parts = {width: outputs_of_width(outputs, width, cells=cells) for width in (1, 4, 10)}
        n_images = len(parts[1][0])
        return [
            [
                decode_scrfd(
                    *(parts[width][number][index] for width in (1, 4, 10)),
                    points=points[number],
                    stride=stride,
                )
                for number, stride in enumerate(_STRIDES)
            ]
            for index in range(n_images)
        ]


def decode_scrfd(
    scores: _FloatArray,
    distances: _FloatArray,
    kps: _FloatArray,
    *,
    points: _FloatArray,
    stride: int,
) -> RawFaces:
    """Faces from one output map.

    Args:
        scores: (n, 1) float32 in [0, 1].
        distances: (n, 4) float32; from the cell to the left, top, right, bottom edge, in strides.
        kps: (n, 10) float32; landmarks ``x y x y ...``, in strides from the cell.
        points: (n, 2) float32; corners of the cells in pixels.
        stride: Pixels per cell.
    """
    reach = distances * stride
    boxes = np.concatenate([points - reach[:, :2], points + reach[:, 2:]], axis=1)
    landmarks = points[:, None] + kps.reshape(-1, 5, 2) * stride
    return RawFaces(
        boxes.astype(np.float32),
        landmarks.astype(np.float32),
        np.clip(scores[:, 0], 0, 1).astype(np.float32),
    )
