"""1:N searches and their figures, over one gallery or as the mean of several."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int
from vultus.core.errors import InputError
from vultus.evaluation.measures.identification import (
    NEVER,
    Searches,
    cmc,
    open_set_curve,
    search_gallery,
)
from vultus.evaluation.measures.intervals import trials_interval
from vultus.evaluation.measures.rates import OperatingPoint, operating_point
from vultus.evaluation.measures.summary import claimable
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.figures import (
    IdentificationFigures,
    OpenSetFigures,
    RankFigures,
)

RANKS = (1, 5, 10)


@dataclass(frozen=True, slots=True, eq=False)
class GallerySearches:
    """Searches in one gallery.

    Attributes:
        name: Of the gallery.
        searches: One a probe.
        people: (n,) int64, who each probe is; the same number for a person in every gallery.
        n_enrolled: How many people the gallery holds.

    Raises:
        InputError: If there is not one person a search.
    """

    name: str
    searches: Searches
    people: npt.NDArray[np.int64]
    n_enrolled: int

    def __post_init__(self) -> None:
        check_array("people", self.people, dtype=np.int64, shape=(len(self.searches),))
        check_positive_int("n_enrolled", self.n_enrolled)

    def of_mates(
        self, flags: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """The flags of searches for enrolled people, and who those are."""
        return flags[self.searches.mated], self.people[self.searches.mated]


def search_embedded(
    embedded: EmbeddedPhotos,
    probes: npt.NDArray[np.int64],
    enrolled: npt.NDArray[np.int64],
    *,
    probe_identities: npt.NDArray[np.int64],
    gallery_identities: npt.NDArray[np.int64],
) -> Searches:
    """Search some of the photos (or templates) among others.

    Args:
        embedded: All of them.
        probes: (p,) int64, places of those to search for.
        enrolled: (g,) int64, places of those that are enrolled.
        probe_identities: (p,) int64, who each probe is.
        gallery_identities: (g,) int64, who each enrolled one is.
    """
    rows, failed = embedded.rows(), embedded.failed
    return search_gallery(
        embedded.embeddings[rows[probes[~failed[probes]]]],
        embedded.embeddings[rows[enrolled[~failed[enrolled]]]],
        probe_identities=probe_identities,
        gallery_identities=gallery_identities,
        failed_probes=failed[probes],
        failed_gallery=failed[enrolled],
    )


def identification_figures(
    galleries: Sequence[GallerySearches],
    *,
    generator: np.random.Generator,
    rank: int | None = 1,
) -> IdentificationFigures:
    """Rank-k of enrolled people and FNIR at FPIR against strangers.

    Rates are means over the galleries, counts are sums; intervals are from the bootstrap over the
    people who are searched for, at the thresholds found.

    Args:
        galleries: One, or several that the protocol averages over.
        generator: Source of randomness of the bootstrap.
        rank: The mate must be among so many first to count as identified; None: any rank.

    Raises:
        InputError: If there is no gallery, or one has no mated search.
    """
    if not galleries:
        raise InputError("identification needs at least one gallery, got none")
    strangers = [_strangers(gallery.searches) for gallery in galleries]
    fewest = int(min(mask.sum() for mask in strangers))
    rates = claimable(fewest) if fewest else ()
    return IdentificationFigures(
        n_enrolled=sum(gallery.n_enrolled for gallery in galleries),
        n_mated=sum(int(gallery.searches.mated.sum()) for gallery in galleries),
        n_strangers=int(sum(mask.sum() for mask in strangers)),
        identified_at_rank=rank,
        rank=rank_figures(galleries, generator=generator),
        open_set=tuple(_at_fpir(galleries, fpir, rank, generator) for fpir in rates),
    )


def gallery_figures(
    galleries: Sequence[GallerySearches],
    *,
    generator: np.random.Generator,
    rank: int | None = 1,
) -> dict[str, IdentificationFigures]:
    """`identification_figures` of each gallery alone, by its name."""
    return {
        gallery.name: identification_figures([gallery], generator=generator, rank=rank)
        for gallery in galleries
    }


def rank_figures(
    galleries: Sequence[GallerySearches],
    *,
    generator: np.random.Generator,
    ranks: Sequence[int] = RANKS,
) -> dict[str, RankFigures]:
    """How often the mate is among the first k, by k."""
    curves = [cmc(gallery.searches, max_rank=max(ranks)) for gallery in galleries]
    figures = {}
    for rank in ranks:
        found = [gallery.of_mates(gallery.searches.mate_ranks <= rank) for gallery in galleries]
        rate = float(np.mean([curve.rate(rank) for curve in curves]))
        interval = trials_interval(found, generator=generator)
        figures[str(rank)] = RankFigures(rate, interval)
    return figures


def _at_fpir(
    galleries: Sequence[GallerySearches],
    fpir: float,
    rank: int | None,
    generator: np.random.Generator,
) -> OpenSetFigures:
    points = [
        operating_point(open_set_curve(gallery.searches, rank=rank), fmr=fpir)
        for gallery in galleries
    ]
    missed, false = [], []
    for gallery, point in zip(galleries, points, strict=True):
        strangers = _strangers(gallery.searches)
        wrong = gallery.searches.top_scores >= point.threshold
        false.append((wrong[strangers], gallery.people[strangers]))
        missed.append(gallery.of_mates(~identified(gallery.searches, point, rank=rank)))
    fnir = float(np.mean([point.fnmr for point in points]))
    thresholds = {
        gallery.name: point.finite_threshold
        for gallery, point in zip(galleries, points, strict=True)
    }
    alone = len(galleries) == 1
    return OpenSetFigures(
        target_fpir=fpir,
        fpir=float(np.mean([point.fmr for point in points])),
        fpir_interval=trials_interval(false, generator=generator),
        fnir=fnir,
        fnir_interval=trials_interval(missed, generator=generator),
        tpir=1 - fnir,
        threshold=points[0].finite_threshold if alone else None,
        thresholds=None if alone else thresholds,
    )


def identified(
    searches: Searches, point: OperatingPoint, *, rank: int | None
) -> npt.NDArray[np.bool_]:
    """(n,) bool, the mate is at or above the threshold and among the first ``rank``."""
    scores, limit = searches.mate_scores, NEVER if rank is None else rank
    found: npt.NDArray[np.bool_] = scores >= point.threshold
    return found & (searches.mate_ranks <= limit) & ~np.isneginf(scores)


def _strangers(searches: Searches) -> npt.NDArray[np.bool_]:
    # A stranger without a face was never searched for; it must not lower the FPIR.
    return ~searches.mated & ~searches.failed
