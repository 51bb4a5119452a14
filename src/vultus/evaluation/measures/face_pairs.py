"""Balanced pairs drawn from faces with identities: as many genuine as impostor ones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError


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


def draw_pairs(
    labels: npt.NDArray[np.int64],
    *,
    generator: np.random.Generator,
    pairs: int = 6000,
    folds: int = 10,
) -> FacePairs:
    """Draw balanced pairs; identities are dealt to folds, so that none judges its own threshold.

    No pair is drawn twice. Identities with two images or more are equally likely in genuine
    pairs, however many they have; images are in impostor ones.

    Args:
        labels: (n,) identity of each image; below 0 it takes no part.
        generator: Of the draws.
        pairs: How many at most; fewer where there are not so many different ones.
        folds: How many at most; fewer where there are not two identities for each.

    Raises:
        InputError: If there are fewer than two identities for two folds (for one, where one is
            asked for), or no identity has two images.
    """
    least = min(2, check_positive_int("folds", folds))
    known = np.unique(labels[labels >= 0])
    n_folds = min(folds, len(known) // 2)
    if n_folds < least:
        needed = "four" if least == 2 else "two"
        raise InputError(f"pairs need at least {needed} identities, got {len(known)}")
    deal = generator.permutation(len(known)) % n_folds
    parts = [
        _fold(labels, known[deal == fold], pairs // (2 * n_folds), generator)
        for fold in range(n_folds)
    ]
    numbers = np.repeat(np.arange(n_folds), [len(part[0]) for part in parts])
    first, second, genuine = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not genuine.any():
        raise InputError("pairs need identities with two images or more, no identity has two")
    return FacePairs(first, second, genuine, numbers)


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
    order, counts = np.argsort(labels, kind="stable"), np.unique(labels, return_counts=True)[1]
    groups = np.split(images[order], np.cumsum(counts)[:-1])
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        return np.empty((0, 2), np.int64)
    drawn = generator.integers(len(groups), size=count)
    pairs = [generator.choice(groups[number], 2, replace=False) for number in drawn]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _distinct(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    ordered = np.sort(pairs, axis=1)
    return np.unique(ordered[ordered[:, 0] != ordered[:, 1]], axis=0)
