"""Arithmetic on MTCNN's boxes, which count pixels from 1 and name the last pixel inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vultus.core.rows import Rows
from vultus.detection.mtcnn.area_means import MeanSampler, windows

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

Edges = Literal["stretch", "repeat"]
"""A box that reaches over the edge: stretch what is left of it to the whole crop, as
facenet-pytorch does; or repeat the image's last row or column, which keeps the proportions."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An image, and how candidates are cut out of it.

    Attributes:
        sampler: The image.
        edges: What happens at its edge.
        min_side: Side of the smallest candidate that goes on to the next stage, in pixels.
    """

    sampler: MeanSampler
    edges: Edges
    min_side: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidates(Rows):
    """Boxes that may hold a face, of several images.

    Attributes:
        boxes: (n, 4) float32, ``x1 y1 x2 y2``; pixels count from 1, ``x2 y2`` lies inside.
        scores: (n,) float32 in [0, 1].
        views: (n,) int64, ascending; index of the view that each was found in.
    """

    boxes: FloatArray
    scores: FloatArray
    views: npt.NDArray[np.int64]


def large_enough(views: Sequence[View], candidates: Candidates) -> Candidates:
    """The candidates, squares, that their views want to see at the next stage."""
    limits = np.array([view.min_side for view in views], np.float32)
    sides = candidates.boxes[:, 2] - candidates.boxes[:, 0]
    return candidates[np.flatnonzero(sides >= limits[candidates.views])]


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
    views: Sequence[View], candidates: Candidates, *, size_px: int
) -> tuple[Candidates, FloatArray]:
    """Cut the candidates out of their views and resize them.

    Args:
        views: What ``candidates.views`` counts.
        candidates: Boxes.
        size_px: Side of the crops.

    Returns:
        The candidates that lie at least partly inside, and their crops (n, size, size, 3) float32.
    """
    shapes = np.array([view.sampler.image.shape[1::-1] for view in views], np.int64)
    sizes_xy = shapes.reshape(-1, 2)[candidates.views]
    corners = candidates.boxes.astype(np.int64)
    first, end = corners[:, :2] - 1, corners[:, 2:]
    stretched = np.array([view.edges == "stretch" for view in views], np.bool_)
    cut = stretched[candidates.views, None]
    first = np.where(cut, np.maximum(first, 0), first)
    end = np.where(cut, np.minimum(end, sizes_xy), end)
    overlaps = (end > first) & (end > 0) & (first < sizes_xy)
    inside = np.flatnonzero(overlaps.all(axis=1))
    candidates, sizes_xy = candidates[inside], sizes_xy[inside]
    first, end = first[inside], end[inside]
    columns, rows = (
        _windows_inside(first[:, axis], end[:, axis], sizes_xy[:, axis], size_px) for axis in (0, 1)
    )
    crops = np.empty((len(inside), size_px, size_px, 3), np.float32)
    ends = np.searchsorted(candidates.views, np.arange(len(views) + 1))
    for view, start, end in zip(views, ends[:-1], ends[1:], strict=True):
        mine = slice(start, end)
        view.sampler.crops(rows[mine], columns[mine], out=crops[mine])
    return candidates, crops


def _windows_inside(first: IntArray, end: IntArray, length: IntArray, cells: int) -> IntArray:
    """(n, cells, 2): windows of sides ``first`` to ``end``, moved into ``0`` to ``length``."""
    wanted = windows(end - first, cells) + first[:, None, None]
    last = length[:, None]
    begin = np.clip(wanted[..., 0], 0, last - 1)
    return np.stack([begin, np.clip(wanted[..., 1], begin + 1, last)], axis=2)
