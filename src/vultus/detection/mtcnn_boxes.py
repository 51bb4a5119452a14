"""Arithmetic on MTCNN's boxes, which count pixels from 1 and name the last pixel inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.detection.mtcnn_means import MeanSampler, windows

__all__ = ["Candidates", "crop_candidates", "moved", "squared"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes that may hold a face, of several images.

    Attributes:
        boxes: (n, 4) float32, ``x1 y1 x2 y2``; pixels count from 1, ``x2 y2`` lies inside.
        scores: (n,) float32 in [0, 1].
        images: (n,) int64; index of the image that each lies in.
    """

    boxes: FloatArray
    scores: FloatArray
    images: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: npt.NDArray[Any]) -> "Candidates":
        return Candidates(self.boxes[index], self.scores[index], self.images[index])


def moved(boxes: FloatArray, offsets: FloatArray, *, edge_px: float) -> FloatArray:
    """Move the edges of boxes by what a network says, in units of the box's sides.

    Args:
        boxes: (n, 4) float32.
        offsets: (n, 4) float32, for ``x1 y1 x2 y2``.
        edge_px: Added to the sides: 1 in stages 2 and 3; stage 1 goes without.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + np.float32(edge_px)
    return np.asarray(boxes + offsets * np.tile(sides, 2), np.float32)


def squared(boxes: FloatArray) -> FloatArray:
    """The square around each box's centre, as large as its longer side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    top_left = boxes[:, :2] + sides * 0.5 - longer * 0.5
    return np.asarray(np.concatenate([top_left, top_left + longer], axis=1), np.float32)


def crop_candidates(
    samplers: Sequence[MeanSampler], candidates: Candidates, *, size_px: int
) -> tuple[Candidates, FloatArray]:
    """Cut the candidates out of their images and resize them.

    Where a box reaches over the edge, the image's last row or column is repeated. (Cutting the box
    at the edge and stretching the rest, as some implementations do, shifts the landmarks of
    close-ups by several percent of the face.)

    Args:
        samplers: The images that ``candidates.images`` counts.
        candidates: Boxes.
        size_px: Side of the crops.

    Returns:
        The candidates that lie at least partly inside, and their crops (n, size, size, 3) float32.
    """
    shapes = np.array([sampler.image.shape[:2] for sampler in samplers], np.int64).reshape(-1, 2)
    sizes_xy = shapes[candidates.images, ::-1]
    corners = candidates.boxes.astype(np.int64)
    first, end = corners[:, :2] - 1, corners[:, 2:]
    overlaps = (end > first) & (end > 0) & (first < sizes_xy)
    inside = np.flatnonzero(overlaps.all(axis=1))
    candidates, first, end, sizes_xy = (
        candidates[inside],
        first[inside],
        end[inside],
        sizes_xy[inside],
    )
    columns, rows = (
        _edges(first[:, axis], end[:, axis], sizes_xy[:, axis], size_px) for axis in (0, 1)
    )
    crops = np.empty((len(inside), size_px, size_px, 3), np.float32)
    for index, sampler in enumerate(samplers):
        mine = np.flatnonzero(candidates.images == index)
        crops[mine] = sampler.means(rows[mine], columns[mine])
    return candidates, crops


def _edges(first: IntArray, end: IntArray, length: IntArray, cells: int) -> IntArray:
    """(n, cells, 2): windows of sides ``first`` to ``end``, moved into ``0`` to ``length``."""
    edges = windows(end - first, cells) + first[:, None, None]
    last = length[:, None]
    begin = np.clip(edges[..., 0], 0, last - 1)
    return np.stack([begin, np.clip(edges[..., 1], begin + 1, last)], axis=2)
