"""Some images of a data set, evenly spread over it: what is measured before training begins."""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vultus.core.errors import ImageError
from vultus.data.base import FaceDataset
from vultus.data.loading.sizing import resized

_TOGETHER = 64


def spread(count: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many numbers below ``count``, evenly spread.

    Example:
        >>> spread(10, 4).tolist(), spread(2, 4).tolist()
        ([0, 3, 6, 9], [0, 1])
    """
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def spread_crops(dataset: FaceDataset, size_hw: tuple[int, int], *, most: int) -> Iterator[Tensor]:
    """(b, 3, h, w) uint8 RGB of at most so many images; those that are unreadable are left out.

    Args:
        dataset: The faces.
        size_hw: What they are resized to.
        most: How many are tried; b is at most 64.
    """
    indices = spread(len(dataset), most)
    for start in range(0, len(indices), _TOGETHER):
        crops = []
        for index in indices[start : start + _TOGETHER]:
            with suppress(ImageError):
                crops.append(resized(dataset.image(int(index)), size_hw))
        if crops:
            yield torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
