"""Every two photos of one person."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["genuine_pairs"]


def genuine_pairs(people: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """(n, 2) places of every two photos of one person.

    Args:
        people: (photos,) of any dtype that sorts, who is on each photo.
    """
    who = np.unique(people, return_inverse=True)[1]
    groups = np.split(np.argsort(who, kind="stable"), np.cumsum(np.bincount(who))[:-1])
    pairs = [group[np.stack(np.triu_indices(len(group), 1), axis=1)] for group in groups]
    return np.concatenate(pairs).astype(np.int64)
