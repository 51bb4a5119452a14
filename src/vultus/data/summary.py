"""What is in a data set: counts, images per identity, sizes, what cannot be read."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from vultus.core.errors import ImageError
from vultus.core.progress import Progress, tracked
from vultus.data.base import UNLABELLED, FaceDataset
from vultus.data.formats.folder import FolderDataset

SAMPLE = 200
_LISTED = 20
_BINS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A data set in figures.

    Attributes:
        images: All images.
        unlabelled: Those without identity.
        identities: With at least one image.
        empty: Names of identities or folders without any.
        per_identity: min, median, mean and max of the images per identity; empty without any.
        distribution: Identities by their number of images: "1", "2-4", ..., "1000 or more".
        examined: How many images were decoded, evenly spread, for what follows.
        sizes_hw: Of those, how many have which height and width, the most frequent first.
        unreadable: Of those, message by index for each that cannot be read.
    """

    images: int
    unlabelled: int
    identities: int
    empty: tuple[str, ...]
    per_identity: dict[str, float]
    distribution: dict[str, int]
    examined: int
    sizes_hw: dict[tuple[int, int], int]
    unreadable: dict[int, str]

    def to_dict(self) -> dict[str, Any]:
        """Everything, fit for JSON; sizes as "112x112" (height x width)."""
        return {
            "images": self.images,
            "unlabelled": self.unlabelled,
            "identities": self.identities,
            "empty": list(self.empty),
            "per_identity": self.per_identity,
            "distribution": self.distribution,
            "examined": self.examined,
            "sizes_hw": {f"{h}x{w}": count for (h, w), count in self.sizes_hw.items()},
            "unreadable": {str(index): message for index, message in self.unreadable.items()},
        }


def summarise(
    dataset: FaceDataset, *, examine: int | None = SAMPLE, progress: Progress | None = None
) -> DatasetSummary:
    """Count what is in a data set.

    Args:
        dataset: Any.
        examine: How many images to decode; None decodes all.
        progress: Told how many images are done.
    """
    labelled = dataset.labels[dataset.labels != UNLABELLED]
    counts = np.bincount(labelled, minlength=len(dataset.identities))
    empty = [dataset.identities[label] for label in np.flatnonzero(counts == 0)]
    counts = counts[counts > 0]
    n_examined = len(dataset) if examine is None else min(examine, len(dataset))
    sizes: Counter[tuple[int, int]] = Counter()
    unreadable = {}
    chosen = _spread(len(dataset), n_examined)
    for index in tracked(chosen, "decoding", total=n_examined, progress=progress):
        try:
            height, width = dataset.image(index).shape[:2]
        except ImageError as error:
            unreadable[index] = str(error)
        else:
            sizes[height, width] += 1
    return DatasetSummary(
        images=len(dataset),
        unlabelled=len(dataset) - len(labelled),
        identities=len(counts),
        empty=(*empty, *(dataset.empty_folders if isinstance(dataset, FolderDataset) else ())),
        per_identity=_quartet(counts) if len(counts) else {},
        distribution=_distribution(counts),
        examined=n_examined,
        sizes_hw=dict(sizes.most_common(_LISTED)),
        unreadable=unreadable,
    )


def _spread(n: int, chosen: int) -> list[int]:
    spread: list[int] = (np.arange(chosen) * n // max(chosen, 1)).tolist()
    return spread


def _quartet(counts: np.ndarray[Any, np.dtype[np.integer]]) -> dict[str, float]:
    return {
        "min": int(counts.min()),
        "median": float(np.median(counts)),
        "mean": float(counts.mean()),
        "max": int(counts.max()),
    }


def _distribution(counts: np.ndarray[Any, np.dtype[np.integer]]) -> dict[str, int]:
    edges = [*_BINS, np.inf]
    found = {}
    for low, high in pairwise(edges):
        name = f"{low} or more" if high == np.inf else f"{low}-{high - 1}"
        name = str(low) if high == low + 1 else name
        found[name] = int(((counts >= low) & (counts < high)).sum())
    return {name: count for name, count in found.items() if count}
