"""The three stages of MTCNN, each over all candidates of all images at once."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from vultus.core.faces import Faces
from vultus.detection.mtcnn.boxes import (
    Candidates,
    View,
    crop_candidates,
    large_enough,
    moved,
    squared,
)
from vultus.detection.mtcnn.pyramid import CANVAS_VALUES, STRIDE_PX, WINDOW_PX, Canvas
from vultus.detection.nms import suppress_overlaps
from vultus.runtime.session import Session

Stage = Literal["pnet", "rnet", "onet"]
"""The three networks: proposal, refinement, output."""

STAGES: tuple[Stage, ...] = get_args(Stage)

INPUT_NAME = "pixels"
"""Of each network's one input."""

REFINE_PX, CONFIRM_PX = 24, 48
NMS_LEVEL, NMS_STAGE = 0.5, 0.7
_BATCH_SIZES = (128, 64, 32, 16, 8, 4, 2, 1)

_FloatArray = npt.NDArray[np.float32]


def propose(
    session: Session,
    views: Sequence[View],
    canvases: Iterable[Canvas],
    *,
    threshold: float,
) -> Candidates:
    """Stage 1: P-Net over all windows of all pyramid levels.

    Args:
        session: P-Net.
        views: The photos.
        canvases: Their packed pyramids.
        threshold: Score from which a window is a candidate.

    Returns:
        Square boxes.
    """
    samplers = [view.sampler for view in views]
    buffer = np.zeros(CANVAS_VALUES, np.float32)  # one for all: fresh memory takes time
    found = [
        _windows(session, canvas, canvas.render(samplers, buffer=buffer), threshold)
        for canvas in canvases
    ]
    windows = np.concatenate([np.zeros((0, 9)), *(values for values, _ in found)])
    labels = np.concatenate([np.zeros((0, 2), np.int64), *(labels for _, labels in found)])
    values = windows.astype(np.float32)
    candidates = Candidates(values[:, :4], values[:, 4], labels[:, 0])
    groups = labels[:, 0] * (labels[:, 1].max(initial=0) + 1) + labels[:, 1]
    kept = suppress_overlaps(candidates.boxes, candidates.scores, limit=NMS_LEVEL, groups=groups)
    candidates, offsets = candidates[kept], values[kept, 5:]
    kept = suppress_overlaps(
        candidates.boxes, candidates.scores, limit=NMS_STAGE, groups=candidates.views
    )
    boxes = moved(candidates.boxes[kept], offsets[kept], edge_px=0)
    return _next(views, boxes, candidates[kept])


def refine(
    session: Session,
    views: Sequence[View],
    candidates: Candidates,
    *,
    threshold: float,
) -> Candidates:
    """Stage 2: R-Net on every candidate, at 24 x 24 pixels.

    Returns:
        Square boxes of those that score above ``threshold``.
    """
    candidates, crops = crop_candidates(views, candidates, size_px=REFINE_PX)
    candidates, output = _judged(session, candidates, crops, threshold)
    kept = suppress_overlaps(
        candidates.boxes, candidates.scores, limit=NMS_STAGE, groups=candidates.views
    )
    boxes = moved(candidates.boxes[kept], output[kept, :4], edge_px=1)
    return _next(views, boxes, candidates[kept])


def confirm(
    session: Session,
    views: Sequence[View],
    candidates: Candidates,
    *,
    threshold: float,
) -> tuple[Candidates, _FloatArray]:
    """Stage 3: O-Net on every candidate, at 48 x 48 pixels.

    Returns:
        The faces, and their landmarks: (n, 5, 2) float32, pixels counted from 0.
    """
    candidates, crops = crop_candidates(views, candidates, size_px=CONFIRM_PX)
    candidates, output = _judged(session, candidates, crops, threshold)
    sides = candidates.boxes[:, 2:] - candidates.boxes[:, :2] + 1
    relative = output[:, 4:].reshape(-1, 2, 5).transpose(0, 2, 1)
    landmarks = candidates.boxes[:, None, :2] + relative * sides[:, None] - 1
    boxes = moved(candidates.boxes, output[:, :4], edge_px=1)
    faces = Candidates(boxes, candidates.scores, candidates.views)
    kept = suppress_overlaps(
        boxes,
        candidates.scores,
        limit=NMS_STAGE,
        overlap="smaller",
        edge_px=1,
        groups=candidates.views,
    )
    return faces[kept], np.asarray(landmarks[kept], np.float32)


def faces_by_view(found: Candidates, landmarks: _FloatArray, *, n_views: int) -> list[Faces]:
    """Sort the faces of all views into one `Faces` a view, best first."""
    faces = []
    for index in range(n_views):
        mine = np.flatnonzero(found.views == index)
        mine = mine[np.argsort(-found.scores[mine], kind="stable")]
        faces.append(Faces(found.boxes[mine], landmarks[mine], found.scores[mine]))
    return faces


def _windows(
    session: Session, canvas: Canvas, pixels: _FloatArray, threshold: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The windows that P-Net accepts.

    Returns:
        (n, 9) box, score and offsets of each; (n, 2) the number of its view and its level.
    """
    (maps,) = session.run({INPUT_NAME: pixels[None]})
    owners = canvas.owners()
    accepted = (maps[0, 0] >= math.log(threshold / (1 - threshold))) & (owners >= 0)
    rows, columns = np.nonzero(accepted)
    owners = owners[rows, columns]
    # In float32 as in the published code: windows on whole pixels are common, and rounding decides.
    scales = np.array([tile.scale for tile in canvas.tiles], np.float32)[owners, None]
    shifts = np.array([tile.origin_xy for tile in canvas.tiles]) - canvas.corners_xy
    corners = STRIDE_PX * np.stack([columns, rows], axis=1) + shifts[owners]
    output = maps[0][:, rows, columns].T.astype(np.float64)
    edges = np.concatenate([corners + 1, corners + WINDOW_PX], axis=1).astype(np.float32)
    boxes = np.concatenate([edges[:, :2] / scales, edges[:, 2:] / scales], axis=1)
    values = np.concatenate([np.floor(boxes), _sigmoid(output[:, :1]), output[:, 1:]], axis=1)
    labels = np.array([(tile.photo, tile.level) for tile in canvas.tiles], np.int64)
    return values, labels[owners]


def _next(views: Sequence[View], boxes: _FloatArray, candidates: Candidates) -> Candidates:
    """The candidates for the next stage: squares around the moved boxes."""
    squares = Candidates(squared(boxes), candidates.scores, candidates.views)
    return large_enough(views, squares)


def _judged(
    session: Session, candidates: Candidates, crops: _FloatArray, threshold: float
) -> tuple[Candidates, _FloatArray]:
    """The candidates that score above the threshold, with their new scores and the offsets."""
    output = _run_in_batches(session, crops)
    scores = _sigmoid(output[:, 0])
    passed = np.flatnonzero(scores > threshold)
    boxes, views = candidates.boxes[passed], candidates.views[passed]
    return Candidates(boxes, np.asarray(scores[passed], np.float32), views), output[passed, 1:]


def _run_in_batches(session: Session, crops: _FloatArray) -> _FloatArray:
    """Run a network over crops in batches of few sizes, because engines prepare for each size."""
    width = session.outputs[0].shape[1]
    outputs = [np.zeros((0, int(width)), np.float32)]
    start = 0
    while start < len(crops):
        size = next(size for size in _BATCH_SIZES if size <= len(crops) - start)
        outputs += session.run({INPUT_NAME: crops[start : start + size]})
        start += size
    return np.concatenate(outputs)


def _sigmoid(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))), np.float64)
