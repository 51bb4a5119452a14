"""The part of a data set that a run trains on: known people, large enough, up to a limit."""

from inspect import signature
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.errors import ConfigError, InputError
from vultus.core.faces import Image
from vultus.data import open_dataset
from vultus.data.base import DATASETS, UNLABELLED, FaceDataset
from vultus.training.recipe.config import DataConfig


class FaceSubset(FaceDataset):
    """Some images of a data set, with labels counted anew.

    Args:
        whole: The data set.
        chosen: (n,) positions in it.
        last: Name of the identity that gets the highest label; None keeps their order.

    Attributes:
        whole: As passed.
        chosen: As passed; position of each image in ``whole``.
    """

    def __init__(
        self, whole: FaceDataset, chosen: npt.NDArray[np.int64], *, last: str | None = None
    ) -> None:
        labels = whole.labels[chosen]
        kept = np.unique(labels[labels != UNLABELLED])
        names = [whole.identities[label] for label in kept]
        order = sorted(range(len(names)), key=lambda place: (names[place] == last, place))
        new_label = np.argsort(np.array(order, np.int64))
        counted = np.full(len(labels), UNLABELLED, np.int64)
        known = labels != UNLABELLED
        counted[known] = new_label[np.searchsorted(kept, labels[known])]
        super().__init__(counted, identities=[names[place] for place in order])
        self.whole = whole
        self.chosen = chosen

    def encoded(self, index: int) -> bytes:
        """The bytes of the image's file."""
        return self.whole.encoded(int(self.chosen[index]))

    def image(self, index: int) -> Image:
        """The decoded image, (h, w, 3) uint8 RGB."""
        return self.whole.image(int(self.chosen[index]))

    def source(self, index: int) -> str:
        """Where the image comes from."""
        return self.whole.source(int(self.chosen[index]))


def open_faces(config: DataConfig) -> FaceDataset:
    """The data set that a recipe names, whole.

    Raises:
        ConfigError: If it names none.
    """
    if config.root is None and (
        config.kind == "auto" or "root" in signature(DATASETS.get(config.kind)).parameters
    ):
        raise ConfigError(
            "the recipe names no training faces: add data.root=FACES, a folder of one sub-folder a "
            "person, a zip of one, a .rec or a list file (`vultus data info FACES` tells what is "
            "in it); or data.kind=synthetic, faces that are drawn, to try it out"
        )
    root = None if config.root is None else Path(config.root).expanduser()
    return open_dataset(root, config.kind, **config.settings)


def select_faces(
    dataset: FaceDataset, config: DataConfig, *, least_identities: int = 2
) -> FaceDataset:
    """Leave out small identities, what is beyond the limits, and images without an identity.

    ``config.non_faces`` is kept whatever its size, and gets the highest label.

    Args:
        dataset: The whole.
        config: The limits; ``unlabelled`` keeps images without an identity.
        least_identities: How many there must be; 0 where nothing is learnt from labels.

    Returns:
        The data set itself where nothing is left out and no label is unused.

    Raises:
        InputError: If fewer identities are left, or no image.
    """
    labels = dataset.labels
    counts = np.bincount(labels[labels != UNLABELLED], minlength=len(dataset.identities))
    others = np.array([name == config.non_faces for name in dataset.identities], np.bool_)
    if config.non_faces is not None and not counts[others].any():
        raise InputError(
            f"data.non_faces must be the name of an identity with images, got {config.non_faces!r}"
        )
    people = np.flatnonzero((counts >= config.min_images) & ~others)[: config.max_identities]
    identities = np.append(people, np.flatnonzero(others))
    if len(people) < least_identities:
        raise InputError(
            f"training needs at least {least_identities} identities with {config.min_images} or "
            f"more images, got {len(people)}"
        )
    chosen = np.flatnonzero(np.isin(labels, identities))
    if config.max_images is not None:
        first = _rank_in_identity(labels[chosen]) < config.max_images
        chosen = chosen[first | others[labels[chosen]]]
    if config.unlabelled:
        chosen = np.union1d(chosen, np.flatnonzero(labels == UNLABELLED))
    if not len(chosen):
        raise InputError(
            "training needs images, and the settings of data leave none; "
            "data.unlabelled = true keeps those without an identity"
        )
    whole = len(chosen) == len(dataset) and len(identities) == len(dataset.identities)
    if whole and not others[:-1].any():
        return dataset
    return FaceSubset(dataset, chosen, last=config.non_faces)


def _rank_in_identity(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n,) how many images of the same identity stand before each."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    starts = np.searchsorted(ordered, ordered)
    ranks = np.empty(len(labels), np.int64)
    ranks[order] = np.arange(len(labels)) - starts
    return ranks
