"""Pairs drawn from a data set with identities, to judge a network while it trains."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.data.base import UNLABELLED

_FOLDS = 10


@dataclass(frozen=True, eq=False)
class FacePairs:
    """Genuine and impostor pairs, equally many in each fold.

    Attributes:
        first: (n,) int64 positions of images.
        second: (n,) int64.
        genuine: (n,) bool.
        folds: (n,) int64; no identity is in two folds.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    genuine: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]


def draw_pairs(labels: npt.NDArray[np.int64], *, pairs: int = 6000, seed: int = 0) -> FacePairs:
    """Draw balanced pairs; identities are dealt to folds, so that none judges its own threshold.

    Args:
        labels: (n,) identity of each image; -1 takes no part.
        pairs: How many at most; fewer where there are not so many different ones.
        seed: Of the draws.

    Raises:
        InputError: If there are fewer than four identities, or no identity has two images.
    """
    generator = np.random.default_rng(seed)
    known = np.unique(labels[labels != UNLABELLED])
    n_folds = min(_FOLDS, len(known) // 2)
    if n_folds < 2:
        raise InputError(f"pairs need at least four identities, got {len(known)}")
    deal = generator.permutation(len(known)) % n_folds
    parts = [
        _fold(labels, known[deal == fold], pairs // (2 * n_folds), generator)
        for fold in range(n_folds)
    ]
    folds = np.concatenate([np.full(len(part[0]), n, np.int64) for n, part in enumerate(parts)])
    first, second, genuine = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not genuine.any():
        raise InputError("pairs need identities with two images or more, no identity has two")
    return FacePairs(first, second, genuine, folds)


def _fold(
    labels: npt.NDArray[np.int64],
    identities: npt.NDArray[np.int64],
    count: int,
    generator: np.random.Generator,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Different pairs of the images of some identities, ``count`` of each kind at most."""
    images = np.flatnonzero(np.isin(labels, identities))
    # Many more than needed, of which the different ones are kept: n^2 pairs would be too many.
    genuine = _distinct(_genuine(images, labels[images], 4 * count, generator))
    impostor = _distinct(generator.choice(images, (8 * count, 2)))
    impostor = impostor[labels[impostor[:, 0]] != labels[impostor[:, 1]]]
    size = min(count, len(genuine), len(impostor))
    chosen = [generator.permutation(kind)[:size] for kind in (genuine, impostor)]
    both = np.concatenate(chosen)
    return both[:, 0], both[:, 1], np.arange(2 * size) < size


def _genuine(
    images: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    count: int,
    generator: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """(n, 2) two images of one identity; identities with two images or more are equally likely."""
    groups = [images[labels == label] for label in np.unique(labels)]
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        return np.empty((0, 2), np.int64)
    drawn = generator.integers(len(groups), size=count)
    pairs = [generator.choice(groups[number], 2, replace=False) for number in drawn]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _distinct(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    ordered = np.sort(pairs, axis=1)
    return np.unique(ordered[ordered[:, 0] != ordered[:, 1]], axis=0)
