"""A folder of one's own with a folder per person: 1:1 and 1:N figures with intervals."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.evaluation.measures.accuracy import FoldAccuracy, fold_accuracy
from vultus.evaluation.measures.face_pairs import draw_pairs
from vultus.evaluation.measures.summary import summarise
from vultus.evaluation.protocols.base import (
    PROTOCOLS,
    EmbeddedPhotos,
    EmbedPhotos,
)
from vultus.evaluation.protocols.figures import ProtocolExtras
from vultus.evaluation.protocols.photos import PhotoRoot, people_of
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.protocols.scoring import all_pairs_evidence, compare_all, pair_scores
from vultus.evaluation.protocols.search_figures import (
    GallerySearches,
    identification_figures,
    search_embedded,
)

_MAX_PAIRS = 6000


@PROTOCOLS.register("folder")
class PersonFolder:
    """Every photo against every other, of people who have a folder each.

    - 1:1: all pairs, intervals by the bootstrap over people.
    - Accuracy: up to 3,000 genuine and as many impostor pairs drawn at random; people, not pairs,
      are dealt to ten folds, so that no threshold is learned on people that it judges.
    - 1:N: the first photo (by name) of every second person is enrolled; all other photos are
      searched. People who are not enrolled are the strangers.

    Photos without a face count as errors.

    Args:
        root: Folder or zip of ``person/photo.jpg``; the folder next to the photo is the person.
        aligned: The photos are aligned crops already.
        seed: Of the random draws.

    Raises:
        InputError: If there are fewer than two people, or nobody has two photos.
    """

    def __init__(self, *, root: Path, aligned: bool = False, seed: int = 0) -> None:
        self._photos = PhotoRoot(root)
        self._people = people_of(self._photos.names)
        self._aligned = aligned
        self._seed = seed
        sizes = np.bincount(self._people)
        if len(sizes) < 2 or sizes.max() < 2:
            raise InputError(
                f"{root} must hold a folder per person, two people and one with two photos at "
                f"least, got {len(sizes)} people with at most {sizes.max()} photos"
            )

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the photos and measure."""
        names = self._photos.names
        embedded = embed(self._photos.photos(names), aligned=self._aligned)
        table = compare_all(embedded, self._people)
        generator = np.random.default_rng(self._seed)
        found = _search_half_enrolled(embedded, self._people)
        figures = summarise(table.curve(), pairs=table, generator=generator)
        return ProtocolResult(
            "folder",
            embedded.embeddings.space,
            len(names),
            int(embedded.failed.sum()),
            figures,
            _accuracy(embedded, self._people, generator),
            extras=ProtocolExtras(
                n_people=int(self._people.max()) + 1,
                identification=None
                if found is None
                else identification_figures([found], generator=generator),
                unmeasured=("identification",),
            ),
            evidence=all_pairs_evidence(
                embedded, self._people, names, table, None if found is None else found.searches
            ),
        )


def _search_half_enrolled(
    embedded: EmbeddedPhotos, who: npt.NDArray[np.int64]
) -> GallerySearches | None:
    """Enrol the first photo of every second person; None if no search is for one of them."""
    enrolled = np.unique(who, return_index=True)[1][::2]
    probes = np.setdiff1d(np.arange(len(who)), enrolled)
    if not np.isin(who[probes], who[enrolled]).any():
        return None
    searches = search_embedded(
        embedded,
        probes,
        enrolled,
        probe_identities=who[probes],
        gallery_identities=who[enrolled],
    )
    return GallerySearches("every second person", searches, who[probes], len(enrolled))


def _accuracy(
    embedded: EmbeddedPhotos, who: npt.NDArray[np.int64], generator: np.random.Generator
) -> FoldAccuracy | None:
    """Accuracy on balanced random pairs, people disjoint between folds; None for too few people."""
    if who.max() < 3:
        return None
    drawn = draw_pairs(who, pairs=_MAX_PAIRS, generator=generator)
    if len(np.unique(drawn.folds)) < 2:
        return None
    scores = pair_scores(embedded, drawn.first, drawn.second)
    return fold_accuracy(scores, drawn.genuine, folds=drawn.folds)
