"""Whether a picture of a head turned one way was faded into one of it turned another way.

Under way from one pose to another the parts of a head are at places between; of a picture that is
faded into another every pixel is a mix of those two,

    f(x) = a first(x) + b last(x) + c,

which the ghost of both shows. So frames between are fitted by those before and after: what is left
is noise of a fade, and most of the change of a head, wherever it moved by more than its texture is
fine.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image
from vultus.liveness.session.head_pose import HeadPose

_SIDE_PX = 64
_WIDE = 5.0
"""Side of what is looked at, in distances of the eyes."""
_LEAST_CHANGE = 0.02
"""Squared difference of pictures of length 1 by which a change shows, some 5 grey levels; less
cannot be told from noise."""
_LEAST_SHOWN = 0.3
"""Of the contrast that there is: paler frames are mostly noise."""
_MOST_OF_IT = 0.6
"""Two frames are before and after if they differ by this part of the most, squared."""
_BETWEEN = 0.04
"""A frame lies between if it differs from both by more than this part of their difference."""
_MIXED = 0.06
"""Part of a frame's difference from the nearer of both that no mix explains; less is a fade."""


def view(image: Image, neutral: HeadPose) -> npt.NDArray[np.uint8]:
    """The place where the head was at first, small.

    Args:
        image: (h, w, 3) uint8, RGB.
        neutral: How it was held then.

    Returns:
        (64, 64) uint8, grey; the same place of each frame.
    """
    middle = neutral.origin + neutral.plane @ np.array([0.0, 0.5])
    side = max(8, round(_WIDE * neutral.scale_px))
    patch = cv2.getRectSubPix(image, (side, side), (float(middle[0]), float(middle[1])))
    small = cv2.resize(patch, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def is_fade(views: Sequence[npt.NDArray[np.uint8]]) -> bool:
    """Whether all that lies between two of these frames, which differ, is a mix of both.

    Args:
        views: (h, w) uint8 each, of one change of the head, in their order.

    Returns:
        False also where nothing lies between, or little changes.
    """
    return faded_part(views) < _MIXED


def faded_part(views: Sequence[npt.NDArray[np.uint8]]) -> float:
    """The least part of what lies between that no mix explains, over all before and after.

    Args:
        views: As of `is_fade`.

    Returns:
        In [0, 1]; 1 where nothing lies between, or little changes.
    """
    if not views:
        return 1.0
    rows = np.stack([one.ravel() for one in views]).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1)
    shown = lengths > _LEAST_SHOWN * lengths.max()
    rows = rows[shown] / lengths[shown, None]  # light that changes is no change of the head
    if len(rows) < 3:
        return 1.0
    gram = rows @ rows.T
    apart = 2 - 2 * gram
    most = float(apart.max())
    if most < _LEAST_CHANGE:
        return 1.0
    pairs = np.argwhere(np.triu(apart, 2) >= _MOST_OF_IT * most)
    return min((_left(gram, apart, first, last) for first, last in pairs), default=1.0)


def _left(
    gram: npt.NDArray[np.float64], apart: npt.NDArray[np.float64], first: int, last: int
) -> float:
    """The most of a frame between these two that no mix of them explains; 1 if none is between."""
    between = slice(first + 1, last)
    nearer = np.minimum(apart[first, between], apart[last, between])
    is_between = nearer > _BETWEEN * apart[first, last]
    if not is_between.any():
        return 1.0
    ends = [first, last]
    along = gram[ends, between][:, is_between]
    mixed = np.linalg.lstsq(gram[np.ix_(ends, ends)], along, rcond=None)[0]
    left = 1 - (along * mixed).sum(axis=0)
    return float(np.clip(left / nearer[is_between], 0, 1).max())
