"""1:N searches and their figures, over one gallery or as the mean of several."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array, check_positive_int
from vultus.core.errors import InputError
from vultus.evaluation.measures.identification import (
    Searches,
    cmc,
    open_set_curve,
    search_gallery,
)
from vultus.evaluation.measures.intervals import (
    Interval,
    mean_rate_interval,
    per_person,
)
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
    n_people = _n_people(galleries)
    figures = {}
    for rank in ranks:
        counts = [
            per_person(
                (gallery.searches.mate_ranks <= rank)[gallery.searches.mated],
                gallery.people[gallery.searches.mated],
                n_people=n_people,
            )
            for gallery in galleries
        ]
        rate = float(np.mean([curve.rate(rank) for curve in curves]))
        figures[str(rank)] = RankFigures(rate, _interval(counts, generator))
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
    n_people = _n_people(galleries)
    for gallery, point in zip(galleries, points, strict=True):
        hit, wrong = _decided(gallery.searches, point, rank)
        mated, strangers = gallery.searches.mated, _strangers(gallery.searches)
        missed.append(per_person(~hit[mated], gallery.people[mated], n_people=n_people))
        false.append(per_person(wrong[strangers], gallery.people[strangers], n_people=n_people))
    fnir = float(np.mean([point.fnmr for point in points]))
    thresholds = {
        gallery.name: point.finite_threshold
        for gallery, point in zip(galleries, points, strict=True)
    }
    alone = len(galleries) == 1
    return OpenSetFigures(
        target_fpir=fpir,
        fpir=float(np.mean([point.fmr for point in points])),
        fpir_interval=_interval(false, generator),
        fnir=fnir,
        fnir_interval=_interval(missed, generator),
        tpir=1 - fnir,
        threshold=points[0].finite_threshold if alone else None,
        thresholds=None if alone else thresholds,
    )


def _decided(
    searches: Searches, point: OperatingPoint, rank: int | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Mates that are identified, and searches that return anybody."""
    ranked = searches.mate_ranks <= (np.iinfo(np.int64).max if rank is None else rank)
    hit = ranked & (searches.mate_scores >= point.threshold) & ~np.isneginf(searches.mate_scores)
    return hit, searches.top_scores >= point.threshold


def _interval(
    counts: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
    generator: np.random.Generator,
) -> Interval:
    hits, trials = (np.stack(part) for part in zip(*counts, strict=True))
    return mean_rate_interval(hits, trials, generator=generator)


def _strangers(searches: Searches) -> npt.NDArray[np.bool_]:
    # A stranger without a face was never searched for; it must not lower the FPIR.
    return ~searches.mated & ~searches.failed


def _n_people(galleries: Sequence[GallerySearches]) -> int:
    return 1 + max(int(gallery.people.max()) for gallery in galleries)
