"""The single comparisons behind a protocol's figures, for contact sheets and reject curves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, frozen
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.evaluation.measures.identification import Searches
from vultus.evaluation.measures.scores import check_scores


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Comparisons one by one, with the photos they are about.

    Every genuine comparison of the protocol is here; of the impostor comparisons, where every
    photo meets every other, only the highest.

    Attributes:
        photos: Name of each photo: its path below the root, or its number in a ``*.bin``.
        first: (n,) int64, place in ``photos`` of one photo of each comparison.
        second: (n,) int64, place of the other.
        genuine: (n,) bool, both show the same person.
        scores: (n,) float32, ``-inf`` for a comparison that failed.
        qualities: Name of a quality score -> (photos,) float64, larger = better, ``-inf`` for a
            photo that failed, NaN where it was not kept.
        searches: The 1:N searches, or None.

    Raises:
        InputError: If shapes or dtypes do not fit together.
    """

    photos: tuple[str, ...]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    genuine: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float32]
    qualities: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    searches: Searches | None = None

    def __post_init__(self) -> None:
        check_scores("scores", self.scores, failures=True)
        shape = self.scores.shape
        check_array("genuine", self.genuine, dtype=np.bool_, shape=shape)
        for name in ("first", "second"):
            places = getattr(self, name)
            check_array(name, places, dtype=np.int64, shape=shape)
            if places.min() < 0 or places.max() >= len(self.photos):
                raise InputError(
                    f"{name} must be places of the {len(self.photos)} photos, "
                    f"got {places.min()} .. {places.max()}"
                )
            object.__setattr__(self, name, frozen(places))
        for name in ("genuine", "scores"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        for name, values in self.qualities.items():
            check_array(name, values, dtype=np.float64, shape=(len(self.photos),), finite=False)


def photo_qualities(
    embeddings: Embeddings, failed: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[np.float64]]:
    """What is known of each photo's quality: the feature's norm, and a score if one was measured.

    Args:
        embeddings: Of the photos that did not fail.
        failed: (n,) bool, one entry a photo.
    """
    known = {"feature norm": embeddings.norms}
    if embeddings.quality is not None:
        known["quality"] = embeddings.quality
    qualities = {}
    for name, values in known.items():
        spread = np.full(len(failed), -np.inf)
        spread[~failed] = values
        qualities[name] = spread
    return qualities
