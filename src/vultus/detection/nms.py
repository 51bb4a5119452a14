"""Non-maximum suppression: of boxes that overlap too much, the best one stays."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_range
from vultus.core.errors import InputError

Overlap = Literal["union", "smaller"]
"""What an intersection is divided by: the area of the union, or that of the smaller box."""

_BLOCK = 128
_SMALLEST = np.finfo(np.float64).tiny
_LATER = np.triu(np.ones((_BLOCK, _BLOCK), np.bool_), k=1)


def suppress_overlaps(
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    *,
    limit: float,
    overlap: Overlap = "union",
    edge_px: float = 0.0,
    groups: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: go from the best box down, drop what overlaps a kept one.

    Args:
        boxes: (n, 4) float32, ``x1 y1 x2 y2``.
        scores: (n,) float32. Of equal scores the box that comes first is the better one.
        limit: Boxes with an overlap above this, in [0, 1], suppress each other.
        overlap: What the intersection is divided by.
        edge_px: Added to every width and height: 1 where ``x2`` names the last pixel inside.
        groups: (n,) int64; boxes of different groups leave each other alone. None: one group.

    Returns:
        (k,) indices of the boxes that stay; by group in ascending order, in each best first.

    Raises:
        InputError: If shapes or dtypes do not match, or ``limit`` or ``overlap`` is none of those.
    """
    check_array("boxes", boxes, dtype=np.float32, shape=("n", 4))
    check_array("scores", scores, dtype=np.float32, shape=(len(boxes),))
    check_range("limit", limit, low=0, high=1)
    if overlap not in get_args(Overlap):
        raise InputError(f"overlap must be one of {get_args(Overlap)}, got {overlap!r}")
    if groups is None:
        groups = np.zeros(len(boxes), np.int64)
    check_array("groups", groups, dtype=np.int64, shape=(len(boxes),))
    order = np.lexsort((-scores, groups))
    ordered, groups = boxes[order].astype(np.float64), groups[order]
    ordered[:, 2:] += edge_px
    stays = np.zeros(len(ordered), np.bool_)
    # In blocks, so that the work of many small groups and the memory of one large group stay low.
    for start in range(0, len(ordered), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(ordered)))
        begun = np.searchsorted(groups, groups[start])
        rivals = begun + np.flatnonzero(stays[begun:start])
        if len(rivals):  # the block goes on with a group that began before it
            beaten = _overlap(ordered[rivals], ordered[block], overlap) > limit
            same = groups[block] == groups[start]
            block = block[~(beaten.any(axis=0) & same)]
        stays[block[_greedy(ordered[block], groups[block], limit, overlap)]] = True
    return order[stays]


def _greedy(
    ordered: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int64],
    limit: float,
    overlap: Overlap,
) -> npt.NDArray[np.bool_]:
    """Which boxes stay, for boxes sorted best first.

    A box stays if no better box that stays overlaps it. Starting from "all stay", each round of
    that rule settles at least one more box for good, so the rounds end at the greedy result; in
    practice after a handful, because chains of boxes that free each other are short.
    """
    beats = _overlap(ordered, ordered, overlap) > limit
    beats &= groups[:, None] == groups
    beats &= _LATER[: len(groups), : len(groups)]
    stays: npt.NDArray[np.bool_] = np.ones(len(ordered), np.bool_)
    while True:
        settled = np.asarray(~beats[stays].any(axis=0), np.bool_)
        if np.array_equal(settled, stays):
            return stays
        stays = settled


def _overlap(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], overlap: Overlap
) -> npt.NDArray[np.float64]:
    """(n, m) overlaps of every box of ``a`` with every box of ``b``; 0 where both are empty."""
    shared = _shared_lengths(a, b, axis=0)
    shared *= _shared_lengths(a, b, axis=1)
    area_a, area_b = (_areas(boxes) for boxes in (a, b))
    if overlap == "smaller":
        whole = np.minimum(area_a[:, None], area_b)
    else:
        whole = area_a[:, None] + area_b
        whole -= shared
    np.maximum(whole, _SMALLEST, out=whole)
    shared /= whole
    return shared


def _shared_lengths(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], *, axis: int
) -> npt.NDArray[np.float64]:
    lengths = np.minimum(a[:, axis + 2, None], b[:, axis + 2])
    lengths -= np.maximum(a[:, axis, None], b[:, axis])
    return np.maximum(lengths, 0, out=lengths)


def _areas(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1])
