"""What the one-shot detectors share: fitting images to the network, and reading its cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.errors import ModelError
from vultus.core.faces import Faces, Image
from vultus.detection.nms import suppress_overlaps

_STEP_PX = 32
_CLOSE_UP_COVER = 0.5

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fitting:
    """How an image is laid onto a network's input: scaled, and placed on a larger canvas.

    Attributes:
        scale: Pixels of the input per pixel of the image.
        size_hw: Height and width of the scaled image.
        canvas_hw: Height and width of the input.
        origin_xy: Where on the canvas the scaled image begins.
    """

    scale: float
    size_hw: tuple[int, int]
    canvas_hw: tuple[int, int]
    origin_xy: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class RawFaces:
    """A network's opinion on n cells, in pixels of its input.

    Attributes:
        boxes: (n, 4) float32, ``x1 y1 x2 y2``.
        landmarks: (n, 5, 2) float32.
        scores: (n,) float32 in [0, 1].
    """

    boxes: FloatArray
    landmarks: FloatArray
    scores: FloatArray


def plan_fitting(
    size_hw: tuple[int, int],
    *,
    max_side: int,
    border: float,
    canvas_hw: tuple[int, int] | None = None,
) -> Fitting:
    """Plan how to show an image to a network whose sides must be multiples of 32.

    Args:
        size_hw: The image's height and width.
        max_side: Images with a longer side are shrunk to it; smaller ones are not enlarged.
        border: Border on every side, as a share of the scaled image's longer side; rounded up to
            a multiple of 32 pixels. It helps with faces that fill or overflow the photo.
        canvas_hw: The one input size of a network that takes no other; the image is then enlarged
            or shrunk to fill it up to the border.
    """
    height, width = size_hw
    if canvas_hw is None:
        scale = min(1.0, max_side / max(size_hw))
    else:
        scale = min(canvas_hw[0] / height, canvas_hw[1] / width) / (1 + 2 * border)
    scaled = (max(1, round(height * scale)), max(1, round(width * scale)))
    if canvas_hw is not None:
        origin = ((canvas_hw[1] - scaled[1]) // 2, (canvas_hw[0] - scaled[0]) // 2)
        return Fitting(scale, scaled, canvas_hw, origin)
    # At a multiple of the largest stride, so that cells fall on the image as without a border.
    pad = math.ceil(border * max(scaled) / _STEP_PX) * _STEP_PX
    rows, columns = (math.ceil((length + 2 * pad) / _STEP_PX) * _STEP_PX for length in scaled)
    return Fitting(scale, scaled, (rows, columns), (pad, pad))


def fit_image(image: Image, fitting: Fitting, *, fill: int) -> Image:
    """Lay an image onto the network's canvas.

    Args:
        image: (h, w, 3) uint8.
        fitting: The plan for an image of this size.
        fill: Value of the border, 0 to 255.

    Returns:
        (rows, columns, 3) uint8.
    """
    height, width = fitting.size_hw
    if image.shape[:2] != fitting.size_hw:
        shrinks = fitting.scale < 1
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)
    canvas = np.full((*fitting.canvas_hw, 3), fill, np.uint8)
    x, y = fitting.origin_xy
    canvas[y : y + height, x : x + width] = image
    return canvas


def anchor_points(canvas_hw: tuple[int, int], stride: int, *, per_cell: int = 1) -> FloatArray:
    """Corners of the cells of one output map, row by row.

    Args:
        canvas_hw: Height and width of the network's input.
        stride: Pixels of the input per cell.
        per_cell: How often each cell is repeated.

    Returns:
        (rows * columns * per_cell, 2) float32: ``x y`` of each cell, a multiple of the stride.
    """
    rows, columns = (length // stride for length in canvas_hw)
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=2).reshape(-1, 2)
    return np.asarray(np.repeat(grid, per_cell, axis=0) * stride, np.float32)


def outputs_of_width(
    outputs: Sequence[npt.NDArray[Any]], width: int, *, cells: Sequence[int]
) -> list[FloatArray]:
    """A network's outputs of one kind, told apart by shape because names differ between exports.

    Args:
        outputs: Everything that the network gave: (b, n, width) or, from some exports, (n, width).
        width: Length of the last axis of the outputs wanted.
        cells: The lengths n that they must have, in descending order.

    Returns:
        The outputs in that order, (b, n, width) float32; of equal lengths as the network orders.

    Raises:
        ModelError: If the network has other outputs.
    """
    batched = [array if array.ndim == 3 else array[None] for array in outputs]
    mine = sorted((a for a in batched if a.shape[2] == width), key=lambda a: -a.shape[1])
    if [array.shape[1] for array in mine] != list(cells):
        raise ModelError(
            f"the network must have outputs (b, n, {width}) with n = {list(cells)} on this input, "
            f"got {[array.shape for array in outputs]}"
        )
    return mine


def faces_of(
    raw: Sequence[RawFaces], fitting: Fitting, *, score_threshold: float, nms_iou: float
) -> Faces:
    """From the opinions on all cells of one image to its faces.

    Args:
        raw: One entry per output map.
        fitting: How the image was laid onto the input.
        score_threshold: Cells below it are dropped.
        nms_iou: Of faces that overlap by more, the best stays.

    Returns:
        Faces in pixels of the image, best first.
    """
    passed = [np.flatnonzero(cells.scores >= score_threshold) for cells in raw]
    pairs = list(zip(raw, passed, strict=True))
    boxes = np.concatenate([cells.boxes[index] for cells, index in pairs])
    landmarks = np.concatenate([cells.landmarks[index] for cells, index in pairs])
    scores = np.concatenate([cells.scores[index] for cells, index in pairs])
    kept = suppress_overlaps(boxes, scores, limit=nms_iou)
    origin = np.array(fitting.origin_xy, np.float32)
    scale = np.float32(fitting.scale)
    return Faces(
        np.asarray((boxes[kept] - np.tile(origin, 2)) / scale, np.float32),
        np.asarray((landmarks[kept] - origin) / scale, np.float32),
        scores[kept],
    )


def merge_close_ups(faces: Faces, close_ups: Faces, *, min_side: float) -> Faces:
    """Put what a small view of an image shows in place of what a large view made of it.

    Args:
        faces: Found in the large view, best first.
        close_ups: Found in the small view, in pixels of the image.
        min_side: Longer side, in pixels of the image, from which the small view is trusted more.

    Returns:
        The large faces of the small view, and of the large view all faces of which no such face
        shares more than half of the smaller area; best first.
    """
    sides = close_ups.boxes[:, 2:] - close_ups.boxes[:, :2]
    trusted = close_ups[np.flatnonzero(sides.max(axis=1, initial=0) >= min_side)]
    if not len(trusted):
        return faces
    covers = np.maximum(
        box_cover(faces.boxes, trusted.boxes), box_cover(trusted.boxes, faces.boxes).T
    )
    others = faces[np.flatnonzero(~(covers > _CLOSE_UP_COVER).any(axis=1))]
    scores = np.concatenate([trusted.scores, others.scores])
    order = np.argsort(-scores, kind="stable")
    return Faces(
        np.concatenate([trusted.boxes, others.boxes])[order],
        np.concatenate([trusted.landmarks, others.landmarks])[order],
        scores[order],
    )


def box_cover(boxes: FloatArray, covers: FloatArray) -> FloatArray:
    """(n, m) float32: share of each box's area that lies inside each of the covers."""
    top_left = np.maximum(boxes[:, None, :2], covers[None, :, :2])
    bottom_right = np.minimum(boxes[:, None, 2:], covers[None, :, 2:])
    shared = np.prod(np.maximum(bottom_right - top_left, 0), axis=2)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    return np.asarray(shared / np.maximum(areas, 1e-6)[:, None], np.float32)
