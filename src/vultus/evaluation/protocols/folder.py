"""A folder of one's own with a folder per person: 1:1 and 1:N figures with intervals."""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.evaluation.accuracy import FoldAccuracy, fold_accuracy
from vultus.evaluation.allpairs import all_pairs
from vultus.evaluation.identification import (
    Searches,
    cmc,
    open_set_curve,
    search_gallery,
)
from vultus.evaluation.intervals import smallest_claim
from vultus.evaluation.protocols.base import (
    PROTOCOLS,
    EmbeddedPhotos,
    EmbedPhotos,
    ProtocolResult,
)
from vultus.evaluation.protocols.photo_root import PhotoRoot
from vultus.evaluation.protocols.scoring import pair_scores
from vultus.evaluation.rates import operating_point
from vultus.evaluation.summary import DECADES, summarise

__all__ = ["PersonFolder"]

MAX_LISTED_PAIRS = 3000
RANKS = (1, 5, 10)


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
        return ProtocolResult(
            "folder",
            embedded.embeddings.space,
            len(names),
            int(embedded.failed.sum()),
            summarise(table.curve(), pairs=table, generator=generator),
            _accuracy(embedded, self._people, generator),
            extras={
                "n_people": len(np.unique(self._people)),
                "identification": _identification(embedded, self._people),
            },
        )


def _accuracy(
    embedded: EmbeddedPhotos, people: npt.NDArray[Any], generator: np.random.Generator
) -> FoldAccuracy | None:
    """Accuracy on balanced random pairs, people disjoint between folds; None for too few people."""
    who = np.unique(people, return_inverse=True)[1]
    n_people = int(who.max()) + 1
    n_folds = min(10, n_people // 2)
    if n_folds < 2:
        return None
    fold_of_photo = (generator.permutation(n_people) % n_folds)[who]
    first, second, genuine, folds = [], [], [], []
    for fold in range(n_folds):
        photos = np.flatnonzero(fold_of_photo == fold)
        a, b = np.triu_indices(len(photos), 1)
        same = who[photos[a]] == who[photos[b]]
        count = min(int(same.sum()), int((~same).sum()), MAX_LISTED_PAIRS // n_folds)
        for kind in (same, ~same):
            chosen = generator.choice(np.flatnonzero(kind), count, replace=False)
            first.append(photos[a[chosen]])
            second.append(photos[b[chosen]])
            genuine.append(same[chosen])
            folds.append(np.full(count, fold, np.int64))
    labels, numbers = np.concatenate(genuine), np.concatenate(folds)
    if len(np.unique(numbers)) < 2:
        return None
    scores = pair_scores(embedded, np.concatenate(first), np.concatenate(second))
    return fold_accuracy(scores, labels, folds=numbers)


def _identification(embedded: EmbeddedPhotos, people: npt.NDArray[Any]) -> dict[str, Any] | None:
    """Rank-k of enrolled people and FNIR at FPIR against strangers; None for too few photos."""
    names, who = np.unique(people, return_inverse=True)
    firsts = np.unique(who, return_index=True)[1]
    enrolled = firsts[::2]
    probes = np.setdiff1d(np.arange(len(people)), firsts[np.arange(len(names)) % 2 == 0])
    if not np.isin(who[probes], who[enrolled]).any():
        return None
    searches = _search(embedded, who, enrolled, probes)
    curve = cmc(searches, max_rank=max(RANKS))
    report: dict[str, Any] = {
        "n_enrolled": len(enrolled),
        "n_mated": curve.n_searches,
        "n_strangers": int((~searches.mated & ~searches.failed).sum()),
        "rank": {
            str(rank): {"rate": curve.rate(rank), "interval": curve.interval(rank).to_dict()}
            for rank in RANKS
        },
        "open_set": [],
    }
    if report["n_strangers"]:
        open_set = open_set_curve(searches)
        for fpir in DECADES:
            if fpir >= smallest_claim(report["n_strangers"]):
                point = operating_point(open_set, fmr=fpir)
                report["open_set"].append(
                    {"fpir": point.fmr, "target_fpir": fpir, "fnir": point.fnmr,
                     "threshold": point.to_dict()["threshold"]}
                )  # fmt: skip
    return report


def _search(
    embedded: EmbeddedPhotos,
    who: npt.NDArray[np.int64],
    enrolled: npt.NDArray[np.int64],
    probes: npt.NDArray[np.int64],
) -> Searches:
    rows, failed = embedded.rows(), embedded.failed
    return search_gallery(
        embedded.embeddings[rows[probes[~failed[probes]]]],
        embedded.embeddings[rows[enrolled[~failed[enrolled]]]],
        probe_identities=who[probes],
        gallery_identities=who[enrolled],
        failed_probes=failed[probes],
        failed_gallery=failed[enrolled],
    )
