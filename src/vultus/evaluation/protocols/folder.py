"""A folder of one's own with a folder per person: 1:1 and 1:N figures with intervals."""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.evaluation.measures.accuracy import FoldAccuracy, fold_accuracy
from vultus.evaluation.measures.allpairs import all_pairs
from vultus.evaluation.measures.face_pairs import draw_pairs
from vultus.evaluation.measures.summary import summarise
from vultus.evaluation.protocols.base import (
    PROTOCOLS,
    EmbeddedPhotos,
    EmbedPhotos,
)
from vultus.evaluation.protocols.figures import ProtocolExtras
from vultus.evaluation.protocols.photo_root import PhotoRoot
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.protocols.scoring import all_pairs_evidence, pair_scores
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
        self._people = np.array([PurePosixPath(name).parent.name for name in self._photos.names])
        self._aligned = aligned
        self._seed = seed
        sizes = np.unique(self._people, return_counts=True)[1]
        if len(sizes) < 2 or sizes.max() < 2:
            raise InputError(
                f"{root} must hold a folder per person, two people and one with two photos at "
                f"least, got {len(sizes)} people with at most {sizes.max()} photos"
            )

    def run(self, embed: EmbedPhotos) -> ProtocolResult:
        """Embed the photos and measure."""
        names = self._photos.names
        embedded = embed(self._photos.photos(names), aligned=self._aligned)
        if (~embedded.failed).sum() < 2:
            raise InputError(f"a face was found on fewer than two of the {len(names)} photos")
        table = all_pairs(embedded.embeddings, identities=self._people, failed=embedded.failed)
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
                n_people=len(np.unique(self._people)),
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
    embedded: EmbeddedPhotos, people: npt.NDArray[Any]
) -> GallerySearches | None:
    """Enrol the first photo of every second person; None if no search is for one of them."""
    names, who = np.unique(people, return_inverse=True)
    firsts = np.unique(who, return_index=True)[1]
    enrolled = firsts[::2]
    probes = np.setdiff1d(np.arange(len(people)), firsts[np.arange(len(names)) % 2 == 0])
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
    embedded: EmbeddedPhotos, people: npt.NDArray[Any], generator: np.random.Generator
) -> FoldAccuracy | None:
    """Accuracy on balanced random pairs, people disjoint between folds; None for too few people."""
    who = np.unique(people, return_inverse=True)[1].astype(np.int64)
    if who.max() < 3:
        return None
    drawn = draw_pairs(who, pairs=_MAX_PAIRS, generator=generator)
    if len(np.unique(drawn.folds)) < 2:
        return None
    scores = pair_scores(embedded, drawn.first, drawn.second)
    return fold_accuracy(scores, drawn.genuine, folds=drawn.folds)
